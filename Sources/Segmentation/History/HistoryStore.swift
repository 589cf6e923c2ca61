import Postgres

/// Answers what was at an instant in the past, from the audit log. One per loop, confined to it. All methods throw
/// `SegmentationError`.
package final class HistoryStore: @unchecked Sendable {
  /// The longest that a listing may keep its connection, which holds up the database's cleaning up as well.
  private static let longestListing = Duration.seconds(600)

  let pool: PostgresPool
  private let listings: PostgresPool
  let settings: SegmentationSettings

  /// - Parameter listings: For listings, which keep a connection until their reader has taken all.
  package init(
    pool: PostgresPool, listings: PostgresPool, settings: SegmentationSettings = SegmentationSettings()
  ) {
    self.pool = pool
    self.listings = listings
    self.settings = settings
  }

  /// The slugs of many users' segments at that instant, in the order of the users, each sorted.
  /// - Throws: `invalid` for an instant in the future or too many users, `unsettled`.
  package func segments(
    of users: [UserID], at instant: Timestamp, by caller: Caller
  ) async throws(SegmentationError) -> [[Slug]] {
    try MembershipStore.check(users, settings)
    try await settle(instant, by: caller)
    return try await translating {
      let result = try await pool.query(
        HistorySQL.segmentsOfMany, [.int64Array(Set(users).map(\.number)), .timestamp(instant)],
        deadline: caller.deadline)
      var byUser: [Int64: [Slug]] = [:]
      for row in 0..<result.rowCount {
        byUser[try result.int64(row, 0), default: []].append(Slug(stored: try result.text(row, 1)))
      }
      return users.map { byUser[$0.number] ?? [] }
    }
  }

  /// As `segments(of:at:by:)`, with all that the memberships held.
  package func memberships(
    of users: [UserID], at instant: Timestamp, by caller: Caller
  ) async throws(SegmentationError) -> [[Membership]] {
    try MembershipStore.check(users, settings)
    try await settle(instant, by: caller)
    return try await translating {
      let result = try await pool.query(
        HistorySQL.membershipsOfMany, [.int64Array(Set(users).map(\.number)), .timestamp(instant)],
        deadline: caller.deadline)
      var byUser: [Int64: [Membership]] = [:]
      for row in 0..<result.rowCount {
        let user = try result.int64(row, 0)
        byUser[user, default: []].append(
          Membership(
            user: UserID(stored: user), segment: SegmentID(stored: try result.int64(row, 2)),
            slug: Slug(stored: try result.text(row, 1)), assignedAt: try result.optionalTimestamp(row, 3),
            expiresAt: try result.optionalTimestamp(row, 4),
            source: try result.optionalInt64(row, 5).map(AuditCause.init(stored:))))
      }
      return users.map { byUser[$0.number] ?? [] }
    }
  }

  /// Whether the user was in the segment at that instant.
  /// - Throws: `segmentNotFound` when there was none, `invalid`, `unsettled`.
  package func check(
    _ user: UserID, in reference: SegmentReference, at instant: Timestamp, by caller: Caller
  ) async throws(SegmentationError) -> MembershipStanding {
    let segment = try await segment(reference, at: instant, by: caller)
    let found = try await memberships(of: [user], at: instant, by: caller)
    guard let membership = found[0].first(where: { $0.segment == segment.id }) else { return .out }
    return MembershipStanding(isMember: true, expiresAt: membership.expiresAt)
  }

  /// The segment that had the name, or the id, at that instant.
  /// - Throws: `segmentNotFound` when there was none, `invalid`, `unsettled`.
  package func segment(
    _ reference: SegmentReference, at instant: Timestamp, by caller: Caller
  ) async throws(SegmentationError) -> Segment {
    try await settle(instant, by: caller)
    guard let found = try await lookUp(reference, at: instant, by: caller), found.lived(at: instant) else {
      throw .segmentNotFound(reference)
    }
    return found.segment
  }

  /// Hands over the members of a segment at that instant, ordered by user, some at a time; it waits while `body` does.
  /// - Parameters:
  ///   - segment: As `segment(_:at:by:)` answered it.
  ///   - after: Only users with a greater id.
  ///   - limit: At most so many.
  ///   - batch: So many at a time.
  /// - Throws: What `body` throws as well; `deadlineExceeded` when it took 10 minutes.
  package func members(
    of segment: Segment, at instant: Timestamp, after user: Int64, limit: Int64, batch: Int, by caller: Caller,
    _ body: ([Membership]) async throws -> Void
  ) async throws {
    let longest = ContinuousClock.now + Self.longestListing
    let deadline = caller.deadline.map { min($0, longest) } ?? longest
    let isWhole = try await settle(instant, by: caller) == nil
    let sql = HistorySQL.copyMembers(of: segment.id, at: instant, after: user, limit: limit, isWhole: isWhole)
    var members: [Membership] = []
    members.reserveCapacity(batch)
    try await listings.withConnection(deadline: deadline) { connection in
      try await connection.copyOut(sql) { row in
        members.append(try Membership(row, in: segment))
        if members.count == batch {
          try await body(members)
          members.removeAll(keepingCapacity: true)
        }
      }
    }
    if !members.isEmpty { try await body(members) }
  }

  // MARK: The instant

  /// Makes sure that everything that took effect by the instant can be read: waits for those who are writing it, at most
  /// `settings.auditSettleWait`. Nothing that begins later takes effect that early.
  /// - Returns: Since when the log is kept; nil for its beginning.
  /// - Throws: `invalid` for an instant in the future or before that, `unsettled` when somebody takes longer.
  @discardableResult
  func settle(_ instant: Timestamp, by caller: Caller) async throws(SegmentationError) -> Timestamp? {
    let patience = ContinuousClock.now + settings.auditSettleWait
    let state = try await writers(at: instant, by: caller)
    guard instant <= state.clock else { throw .invalid(field: "as_of", reason: "must not be in the future") }
    if let keptSince = state.keptSince, instant < keptSince {
      throw .invalid(field: "as_of", reason: "lies before what the audit log keeps")
    }
    var awaited = state.transactions
    var pause = Duration.milliseconds(1)
    while !awaited.isEmpty {
      guard ContinuousClock.now < patience else { throw .unsettled }
      do { try await Task.sleep(for: pause) } catch { throw .cancelled }
      pause = min(pause * 2, .milliseconds(50))
      awaited.formIntersection(try await writers(at: instant, by: caller).transactions)
    }
    return state.keptSince
  }

  func writers(
    at instant: Timestamp, by caller: Caller
  ) async throws(SegmentationError) -> (clock: Timestamp, transactions: Set<String>, keptSince: Timestamp?) {
    try await translating {
      let result = try await pool.query(HistorySQL.writers, [.timestamp(instant)], deadline: caller.deadline)
      return (
        try result.timestamp(0, 0), Set(try result.textArray(0, 1)), try result.optionalTimestamp(0, 2)
      )
    }
  }
}

/// A segment with its end.
struct PastSegment: Sendable {
  let segment: Segment
  /// Nil while it lives.
  let deletedAt: Timestamp?
  /// At the instant that was looked up.
  let outreach: Outreach
  /// Whether a change of it was going through the users then.
  let isRolling: Bool

  func lived(at instant: Timestamp) -> Bool {
    segment.createdAt <= instant && deletedAt.map { $0 > instant } ?? true
  }
}

extension HistoryStore {
  /// The segment that was there at the instant, or failing that the one that is there, or was last.
  func lookUp(
    _ reference: SegmentReference, at instant: Timestamp, by caller: Caller
  ) async throws(SegmentationError) -> PastSegment? {
    try await translating {
      let result = try await pool.query(
        HistorySQL.segment,
        [.optionalText(reference.slugText), .optionalInt64(reference.idNumber), .timestamp(instant)],
        deadline: caller.deadline)
      guard result.rowCount > 0 else { return nil }
      return PastSegment(
        segment: try Segment(result, row: 0), deletedAt: try result.optionalTimestamp(0, 6),
        outreach: Outreach(stored: try result.int32(0, 7)), isRolling: try result.bool(0, 8))
    }
  }
}

extension AuditCause {
  /// A number that the database holds.
  init(stored number: Int64) {
    self = AuditCause(rawValue: Int16(truncatingIfNeeded: number)) ?? .request
  }
}

extension Membership {
  /// A row of `HistorySQL.copyMembers`.
  fileprivate init(_ row: UnsafeRawBufferPointer, in segment: Segment) throws {
    var reader = WireReader(row)
    guard try reader.fieldCount() == 4 else { throw PostgresError(.decoding, "a member is not as expected") }
    let user = UserID(stored: try reader.int64())
    let assignedAt = try reader.optionalTimestamp()
    let expiresAt = try reader.optionalTimestamp()
    self.init(
      user: user, segment: segment.id, slug: segment.slug, assignedAt: assignedAt, expiresAt: expiresAt,
      source: try reader.optionalInt64().map(AuditCause.init(stored:)))
  }
}
