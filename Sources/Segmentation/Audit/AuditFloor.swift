import Postgres

/// How far back the log reaches, once retention has dropped some of it.
package struct AuditFloor: Hashable, Sendable {
  /// No record up to here can be read any more (of those near it some still can).
  package let position: AuditPosition
  /// What was recorded from here on is complete.
  package let keptSince: Timestamp

  static let columns = "i.dropped_era, i.dropped_xid::text::bigint, i.dropped_sequence, i.kept_since"

  /// Columns: as `columns`; nil when nothing was dropped.
  init?(_ result: PostgresResult, row: Int, column: Int) throws {
    guard let keptSince = try result.optionalTimestamp(row, column + 3) else { return nil }
    position = try AuditPosition(result, row: row, column: column) ?? .beginning
    self.keptSince = keptSince
  }
}

extension AuditBound {
  /// The oldest token that a reading can still begin behind.
  package var earliest: AuditToken { AuditToken(identity, floor?.position ?? .beginning) }

  /// The position of a token to begin behind.
  /// - Throws: `SegmentationError.invalid` for a token of another database, `tokenTooOld` for one whose next records are dropped.
  package func start(_ token: AuditToken, field: String) throws(SegmentationError) -> AuditPosition {
    let position = try token.position(in: identity, field: field)
    if let floor, position < floor.position { throw .tokenTooOld(field: field, earliest: earliest.text) }
    return position
  }
}
