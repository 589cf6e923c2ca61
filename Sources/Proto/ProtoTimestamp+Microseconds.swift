extension ProtoTimestamp {
  /// The seconds since 1970 that a timestamp may have: the years 1 to 9999.
  package static let secondsRange: ClosedRange<Int64> = -62_135_596_800...253_402_300_799

  /// An instant in microseconds since 1970-01-01T00:00:00Z, PostgreSQL's precision.
  ///
  /// - Throws: `outOfRange` before the year 1 or after 9999.
  package init(microsecondsSinceEpoch microseconds: Int64) throws(ProtoError) {
    let (seconds, rest) = floorDivide(microseconds, 1_000_000)
    guard Self.secondsRange.contains(seconds) else { throw .outOfRange(message: Self.fullName) }
    self.init(seconds: seconds, nanos: Int32(rest) * 1000)
  }

  /// Microseconds since 1970-01-01T00:00:00Z; what is finer is cut off towards the past.
  ///
  /// - Throws: `outOfRange` before the year 1, after 9999, or when `nanos` is not 0 to 999,999,999.
  package func microsecondsSinceEpoch() throws(ProtoError) -> Int64 {
    guard Self.secondsRange.contains(seconds), (0...999_999_999).contains(nanos) else {
      throw .outOfRange(message: Self.fullName)
    }
    return seconds * 1_000_000 + Int64(nanos / 1000)
  }
}

extension ProtoDuration {
  /// The seconds that a duration may have: 10,000 years either way.
  package static let secondsRange: ClosedRange<Int64> = -315_576_000_000...315_576_000_000

  /// A span in microseconds, which may be below zero.
  ///
  /// - Throws: `outOfRange` beyond 10,000 years.
  package init(microseconds: Int64) throws(ProtoError) {
    let (seconds, rest) = microseconds.quotientAndRemainder(dividingBy: 1_000_000)
    guard Self.secondsRange.contains(seconds) else { throw .outOfRange(message: Self.fullName) }
    self.init(seconds: seconds, nanos: Int32(rest) * 1000)
  }

  /// The span in microseconds; what is finer is cut off towards zero.
  ///
  /// - Throws: `outOfRange` beyond 10,000 years, when `nanos` is a second or more, or when its sign is not that of
  ///   `seconds`.
  package func microseconds() throws(ProtoError) -> Int64 {
    let signsAgree = seconds == 0 || nanos == 0 || (seconds < 0) == (nanos < 0)
    guard Self.secondsRange.contains(seconds), (-999_999_999...999_999_999).contains(nanos), signsAgree else {
      throw .outOfRange(message: Self.fullName)
    }
    return seconds * 1_000_000 + Int64(nanos / 1000)
  }
}

/// The quotient rounded towards minus infinity, and the remainder, which is not below zero.
private func floorDivide(_ value: Int64, _ divisor: Int64) -> (quotient: Int64, remainder: Int64) {
  let (quotient, remainder) = value.quotientAndRemainder(dividingBy: divisor)
  return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
}
