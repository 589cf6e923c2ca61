import Proto

/// Writes instants in RFC 3339 with six digits, `2026-05-01T12:00:00.000000Z`. Records come in bursts, so the date and time
/// of the latest second are kept.
package struct StampFormatter: Sendable {
  /// The most bytes of an instant, whose year may have twelve digits.
  static let longest = 40

  private var second: Int64 = .min
  /// `2026-05-01T12:00:00.`
  private var text: [UInt8] = []

  package init() {}

  package mutating func append(_ time: ProtoTimestamp, to buffer: inout [UInt8]) {
    withUnsafeTemporaryAllocation(byteCount: Self.longest, alignment: 1) { scratch in
      guard let start = scratch.baseAddress else { return }
      var cursor = TextCursor(start)
      write(seconds: time.seconds, nanos: time.nanos, to: &cursor)
      buffer.append(contentsOf: UnsafeRawBufferPointer(start: start, count: cursor.next - start))
    }
  }

  /// - Parameters:
  ///   - seconds: Since 1970.
  ///   - cursor: Has room for `longest` bytes.
  @inline(__always)
  mutating func write(seconds: Int64, nanos: Int32, to cursor: inout TextCursor) {
    if seconds != second {
      second = seconds
      text = Self.format(second)
    }
    text.withUnsafeBytes { cursor.bytes($0) }
    cursor.digits(UInt64(UInt32(truncatingIfNeeded: nanos) / 1000), count: 6)
    cursor.byte(UInt8(ascii: "Z"))
  }

  /// The instant as a string.
  package static func string(_ time: ProtoTimestamp) -> String {
    var formatter = StampFormatter()
    var buffer: [UInt8] = []
    formatter.append(time, to: &buffer)
    return String(decoding: buffer, as: UTF8.self)
  }

  private static func format(_ second: Int64) -> [UInt8] {
    let (days, time) = (second.floorDivided(by: 86_400), second.floorRemainder(by: 86_400))
    let date = CivilDate(daysSinceEpoch: days)
    var text: [UInt8] = []
    text.reserveCapacity(20)
    append(date.year, digits: 4, "-", to: &text)
    append(date.month, digits: 2, "-", to: &text)
    append(date.day, digits: 2, "T", to: &text)
    append(time / 3600, digits: 2, ":", to: &text)
    append(time / 60 % 60, digits: 2, ":", to: &text)
    append(time % 60, digits: 2, ".", to: &text)
    return text
  }

  /// The number, which is not below zero, with at least so many digits, then the separator.
  private static func append(_ number: Int64, digits: Int, _ separator: Unicode.Scalar, to text: inout [UInt8]) {
    let start = text.count
    var rest = number
    repeat {
      text.insert(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10), at: start)
      rest /= 10
    } while rest > 0 || text.count < start + digits
    text.append(UInt8(ascii: separator))
  }
}

/// A day of the proleptic Gregorian calendar.
private struct CivilDate {
  let year: Int64
  let month: Int64
  let day: Int64

  /// Counts in eras of 400 years (146,097 days) that begin on 1 March, so that the leap day is the last of its year.
  init(daysSinceEpoch: Int64) {
    let shifted = daysSinceEpoch + 719_468
    let era = shifted.floorDivided(by: 146_097)
    let dayOfEra = shifted.floorRemainder(by: 146_097)
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let marchMonth = (5 * dayOfYear + 2) / 153
    day = dayOfYear - (153 * marchMonth + 2) / 5 + 1
    month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
    year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
  }
}

extension Int64 {
  fileprivate func floorDivided(by divisor: Int64) -> Int64 {
    (self - floorRemainder(by: divisor)) / divisor
  }

  fileprivate func floorRemainder(by divisor: Int64) -> Int64 {
    let remainder = self % divisor
    return remainder < 0 ? remainder + divisor : remainder
  }
}
