import Postgres

/// A change of a segment's outreach on its way through the users.
package struct Rollout: Hashable, Sendable {
  /// How far it has come; the numbers are those of the table.
  package enum State: Int16, Sendable {
    case pending = 1
    case running, done
    /// A later one has taken its place, or the segment was deleted.
    case superseded
  }

  /// Given by the database, positive; 0 for one that is only talked of.
  package var id: Int64
  package var segment: SegmentID
  package var slug: Slug
  package var from: Outreach
  package var to: Outreach
  package var state: State
  /// Users, or members, that there were to look at when it began.
  package var usersTotal: Int64 = 0
  package var usersDone: Int64 = 0
  /// Users that it has put into the segment.
  package var assigned: Int64 = 0
  /// Users that it has taken out of the segment.
  package var released: Int64 = 0
  package var createdAt: Timestamp
  package var updatedAt: Timestamp
  package var endedAt: Timestamp?

  /// Nothing is going to change any more.
  package var isFinished: Bool { state == .done || state == .superseded }
}

/// What outreach does with users that are in already by other means.
package enum OutreachPresentPolicy: String, Hashable, Sendable {
  /// Their membership stays as it is.
  case keep
  /// Their membership becomes one of outreach, without an expiry.
  case adopt
}

/// What a lower outreach does with the members that it brought in and no longer covers.
package enum OutreachReleasePolicy: String, Hashable, Sendable {
  case release
  case keep
}

extension Rollout {
  /// Columns of `RolloutSQL.columns`, from `column` on; nil when there is none.
  init?(_ result: PostgresResult, row: Int, column: Int = 0) throws {
    guard let id = try result.optionalInt64(row, column) else { return nil }
    self.init(
      id: id, segment: SegmentID(stored: try result.int64(row, column + 1)),
      slug: Slug(stored: try result.text(row, column + 2)),
      from: Outreach(stored: try result.int32(row, column + 3)),
      to: Outreach(stored: try result.int32(row, column + 4)),
      state: State(rawValue: Int16(truncatingIfNeeded: try result.int64(row, column + 5))) ?? .running,
      usersTotal: try result.int64(row, column + 6), usersDone: try result.int64(row, column + 7),
      assigned: try result.int64(row, column + 8), released: try result.int64(row, column + 9),
      createdAt: try result.timestamp(row, column + 10), updatedAt: try result.timestamp(row, column + 11),
      endedAt: try result.optionalTimestamp(row, column + 12))
  }
}
