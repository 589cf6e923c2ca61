/// The value of `grpc-timeout`: at most eight digits and a unit (gRPC over HTTP/2, "Timeout").
package enum Timeout {
  private static let most: Int64 = 99_999_999

  /// - Returns: nil when the text is malformed.
  package static func parse(_ text: UnsafeRawBufferPointer) -> Duration? {
    guard (2...9).contains(text.count), let unit = text.last else { return nil }
    var value: Int64 = 0
    for byte in text.dropLast() {
      guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
      value = value * 10 + Int64(byte - UInt8(ascii: "0"))
    }
    switch unit {
    case UInt8(ascii: "H"): return .seconds(value * 3600)
    case UInt8(ascii: "M"): return .seconds(value * 60)
    case UInt8(ascii: "S"): return .seconds(value)
    case UInt8(ascii: "m"): return .milliseconds(value)
    case UInt8(ascii: "u"): return .microseconds(value)
    case UInt8(ascii: "n"): return .nanoseconds(value)
    default: return nil
    }
  }

  /// The shortest unit that holds the duration in eight digits; below zero counts as nothing left.
  package static func format(_ timeout: Duration) -> String {
    let (seconds, attoseconds) = max(timeout, .zero).components
    guard seconds <= most else { return "\(min(seconds / 3600, most))H" }
    let micros = seconds.multipliedReportingOverflow(by: 1_000_000)
    let total = micros.partialValue + attoseconds / 1_000_000_000_000
    if !micros.overflow, total <= most { return "\(total)u" }
    let millis = seconds * 1000 + attoseconds / 1_000_000_000_000_000
    return millis <= most ? "\(millis)m" : "\(seconds)S"
  }
}
