import Postgres

/// Answers what users are in, for a whole batch with one query.
struct MembershipReader: Sendable {
  let pool: PostgresPool
  let directory: SegmentDirectory

  func slugs(
    of users: [UserID], deadline: ContinuousClock.Instant?
  ) async -> [Result<[Slug], SegmentationError>] {
    await answering(users) {
      let result = try await query(
        users, one: MembershipSQL.segmentsOfOne, many: MembershipSQL.segmentsOfMany, deadline: deadline)
      try await learn(result, deadline: deadline)
      var rows = RowsByUser<Slug>(users)
      for row in 0..<result.rowCount { rows.append(try slug(result, row), to: try result.int64(row, 0)) }
      return rows.sorted(by: <)
    }
  }

  func memberships(
    of users: [UserID], deadline: ContinuousClock.Instant?
  ) async -> [Result<[Membership], SegmentationError>] {
    await answering(users) {
      let result = try await query(
        users, one: nil, many: MembershipSQL.membershipsOfMany, deadline: deadline)
      try await learn(result, deadline: deadline)
      var rows = RowsByUser<Membership>(users)
      for row in 0..<result.rowCount {
        let user = try result.int64(row, 0)
        rows.append(
          Membership(
            user: UserID(stored: user), segment: SegmentID(stored: try result.int64(row, 1)),
            slug: try slug(result, row), assignedAt: try result.timestamp(row, 2),
            expiresAt: try result.optionalTimestamp(row, 3),
            source: AuditCause(rawValue: Int16(truncatingIfNeeded: try result.int64(row, 4))) ?? .request),
          to: user)
      }
      return rows.sorted { $0.slug < $1.slug }
    }
  }

  private func query(
    _ users: [UserID], one: Statement?, many: Statement, deadline: ContinuousClock.Instant?
  ) async throws -> PostgresResult {
    if let one, users.count == 1 {
      return try await pool.query(one, [.int64(users[0].number)], deadline: deadline)
    }
    return try await pool.query(many, [.int64Array(users.map(\.number))], deadline: deadline)
  }

  /// Makes sure that every slug is known.
  private func learn(_ result: PostgresResult, deadline: ContinuousClock.Instant?) async throws {
    var unknown: Set<Int64> = []
    for row in 0..<result.rowCount {
      let id = try result.int64(row, 1)
      if directory[id] == nil { unknown.insert(id) }
    }
    if !unknown.isEmpty { try await directory.learn(unknown, deadline: deadline) }
  }

  private func slug(_ result: PostgresResult, _ row: Int) throws -> Slug {
    let id = try result.int64(row, 1)
    guard let slug = directory[id] else { throw SegmentationError.internal("segment \(id) is not in the directory") }
    return slug
  }

  /// The batch succeeds or fails as one.
  private func answering<Answer>(
    _ users: [UserID], _ body: () async throws -> [Answer]
  ) async -> [Result<Answer, SegmentationError>] {
    do {
      return try await body().map { .success($0) }
    } catch {
      return Array(repeating: .failure(SegmentationError(error)), count: users.count)
    }
  }
}
