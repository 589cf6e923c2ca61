import Proto

/// Instants as RFC 3339 writes them: `2026-05-01T12:00:00Z`, with or without a fraction, with any offset.
enum RFC3339 {
  /// - Returns: nil when the text is malformed, or no such date exists. What is finer than a nanosecond is cut off.
  static func parse(_ text: UnsafeRawBufferPointer) -> ProtoTimestamp? {
    var scanner = ByteScanner(text)
    guard let days = scanner.date(), scanner.any(of: "Tt "), let second = scanner.clock() else { return nil }
    let nanos = scanner.skip(".") ? scanner.fraction() : 0
    guard let nanos, let offset = scanner.offset(), scanner.isAtEnd else { return nil }
    let seconds = days * 86_400 + second - offset
    guard ProtoTimestamp.secondsRange.contains(seconds) else { return nil }
    return ProtoTimestamp(seconds: seconds, nanos: nanos)
  }

  /// As a person gives it: an instant, or a date alone, which means its midnight in UTC.
  static func parse(_ text: String) -> ProtoTimestamp? {
    Array(text.utf8).withUnsafeBytes { bytes in
      var scanner = ByteScanner(bytes)
      if let days = scanner.date(), scanner.isAtEnd { return ProtoTimestamp(seconds: days * 86_400, nanos: 0) }
      return parse(bytes)
    }
  }
}

extension ByteScanner {
  fileprivate mutating func any(of separators: String) -> Bool {
    separators.unicodeScalars.contains { skip($0) }
  }

  /// Exactly that many digits.
  fileprivate mutating func digits(_ count: Int) -> Int64? {
    guard text.count - index >= count else { return nil }
    var value: Int64 = 0
    for byte in text[index..<(index + count)] {
      guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
      value = value * 10 + Int64(byte - UInt8(ascii: "0"))
    }
    index += count
    return value
  }

  /// `YYYY-MM-DD` in days since 1970-01-01.
  fileprivate mutating func date() -> Int64? {
    guard let year = digits(4), skip("-"), let month = digits(2), skip("-"), let day = digits(2) else { return nil }
    let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
    let lengths: [Int64] = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    guard year >= 1, (1...12).contains(month), (1...lengths[Int(month) - 1]).contains(day) else { return nil }
    // Years that begin on 1 March, so that the leap day is the last of its year.
    let shifted = month <= 2 ? year - 1 : year
    let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
    return shifted * 365 + shifted / 4 - shifted / 100 + shifted / 400 + dayOfYear - 719_468
  }

  /// `HH:MM:SS` in seconds.
  fileprivate mutating func clock() -> Int64? {
    guard let hour = digits(2), skip(":"), let minute = digits(2), skip(":"), let second = digits(2) else { return nil }
    guard hour < 24, minute < 60, second < 60 else { return nil }
    return hour * 3600 + minute * 60 + second
  }

  /// The digits behind the point, as nanoseconds; at least one.
  fileprivate mutating func fraction() -> Int32? {
    var nanos: Int64 = 0
    var scale: Int64 = 100_000_000
    let start = index
    while let digit = digits(1) {
      nanos += digit * scale
      scale /= 10
    }
    return index > start ? Int32(nanos) : nil
  }

  /// `Z` or `+HH:MM`, in seconds east of UTC.
  fileprivate mutating func offset() -> Int64? {
    if any(of: "Zz") { return 0 }
    let sign: Int64
    if skip("+") { sign = 1 } else if skip("-") { sign = -1 } else { return nil }
    guard let hour = digits(2), skip(":"), let minute = digits(2), hour < 24, minute < 60 else { return nil }
    return sign * (hour * 3600 + minute * 60)
  }
}
