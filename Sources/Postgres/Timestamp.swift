/// A `timestamptz`: an instant on PostgreSQL's own resolution.
package struct Timestamp: Hashable, Comparable, Sendable {
  /// Since 1970-01-01T00:00:00Z, negative before.
  package var microseconds: Int64

  package init(microseconds: Int64) {
    self.microseconds = microseconds
  }

  /// PostgreSQL's `infinity`: after every other instant.
  package static let distantFuture = Timestamp(microseconds: .max)
  /// PostgreSQL's `-infinity`: before every other instant.
  package static let distantPast = Timestamp(microseconds: .min)

  package static func < (left: Timestamp, right: Timestamp) -> Bool { left.microseconds < right.microseconds }

  /// From 1970-01-01 to 2000-01-01, where the server's count begins.
  private static let serverEpoch: Int64 = 946_684_800_000_000

  /// The binary form on the wire. An instant that the server cannot hold becomes one that it refuses.
  var wireValue: Int64 {
    if self == .distantFuture || self == .distantPast { return microseconds }
    let (value, isBeyond) = microseconds.subtractingReportingOverflow(Self.serverEpoch)
    return isBeyond ? .min + 1 : value
  }

  /// The instant of a `timestamptz` in binary. Nil for the last 30 years that the server knows (up to 294276), which do not fit our count.
  package init?(wireValue: Int64) {
    if wireValue == .max || wireValue == .min {
      self.init(microseconds: wireValue)
      return
    }
    let (value, isBeyond) = wireValue.addingReportingOverflow(Self.serverEpoch)
    guard !isBeyond else { return nil }
    self.init(microseconds: value)
  }
}
