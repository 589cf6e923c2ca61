import Postgres

/// Until when a membership is asked for.
package enum Expiry: Hashable, Sendable {
  /// Until it is taken away.
  case never
  /// Until this instant, which must be in the future by the database's clock.
  case at(Timestamp)
  /// For so many microseconds from now by the database's clock; positive.
  case after(microseconds: Int64)

  /// 9999-12-31T23:59:59.999999Z: the last instant that the contract can tell.
  static let latest = Timestamp(microseconds: 253_402_300_799_999_999)

  /// The instant it means.
  /// - Parameters:
  ///   - clock: The database's.
  ///   - delay: How long after that it is thought to be written: a lifetime that is shorter begins then.
  /// - Throws: `SegmentationError.invalid` when that is not in the future or beyond the year 9999.
  func instant(
    at clock: Timestamp, delay: Duration = .zero, field: String
  ) throws(SegmentationError) -> Timestamp? {
    switch self {
    case .never: return nil
    case .at(let instant):
      guard instant > clock else { throw .invalid(field: field + ".expires_at", reason: "must be in the future") }
      guard instant <= Self.latest else { throw .invalid(field: field + ".expires_at", reason: "is out of range") }
      return instant
    case .after(let microseconds):
      guard microseconds > 0 else { throw .invalid(field: field + ".ttl", reason: "must be positive") }
      let start = clock.microseconds + (microseconds < delay.microseconds ? delay.microseconds : 0)
      let (sum, isBeyond) = start.addingReportingOverflow(microseconds)
      guard !isBeyond, sum <= Self.latest.microseconds else {
        throw .invalid(field: field + ".ttl", reason: "is out of range")
      }
      return Timestamp(microseconds: sum)
    }
  }
}
