import Postgres

/// A point in the one total order of the audit log: behind the record of that name.
package struct AuditPosition: Hashable, Comparable, Sendable {
  package let era: Int32
  /// The transaction id that orders the record: see `segmentd.settle` in the schema.
  package let xid: Int64
  package let sequence: Int64

  /// Before every record.
  package static let beginning = AuditPosition(era: 0, xid: 0, sequence: 0)

  init(era: Int32, xid: Int64, sequence: Int64) {
    self.era = era
    self.xid = xid
    self.sequence = sequence
  }

  /// Columns: era, xid, sequence; nil when there is no era or no sequence.
  init?(_ result: PostgresResult, row: Int, column: Int) throws {
    guard let era = try result.optionalInt64(row, column), let xid = try result.optionalInt64(row, column + 1),
      let sequence = try result.optionalInt64(row, column + 2)
    else { return nil }
    self.init(era: Int32(truncatingIfNeeded: era), xid: xid, sequence: sequence)
  }

  package static func < (left: AuditPosition, right: AuditPosition) -> Bool {
    (left.era, left.xid, left.sequence) < (right.era, right.xid, right.sequence)
  }
}
