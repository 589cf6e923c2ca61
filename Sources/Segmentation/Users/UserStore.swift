import Postgres

/// What creating a user did.
package struct UserCreation: Sendable {
  package let user: User
  /// Whether this call made the user known.
  package let isNew: Bool
  /// The segments that outreach put it into by this call, sorted.
  package let segments: [Slug]
  /// Behind the audit records of that; nil when there are none.
  package let token: AuditToken?
}

/// Makes users known, lists and deletes them. One per loop, confined to it. All methods throw `SegmentationError`.
package final class UserStore: @unchecked Sendable {
  let pool: PostgresPool
  let installation: Installation
  let ledger: RequestLedger

  package init(pool: PostgresPool, installation: Installation, settings: SegmentationSettings = SegmentationSettings())
  {
    self.pool = pool
    self.installation = installation
    ledger = RequestLedger(pool: pool, settings: settings)
  }

  /// Makes a user known, and with that a member of every living segment whose outreach covers it.
  /// - Parameters:
  ///   - allowExisting: A user that exists is no error.
  ///   - validateOnly: Tell what would happen, and change nothing.
  /// - Throws: `userAlreadyExists`.
  package func create(
    _ user: UserID, allowExisting: Bool = false, validateOnly: Bool = false, by caller: Caller
  ) async throws(SegmentationError) -> UserCreation {
    let operation = "CreateUser\n\(user)\n\(allowExisting)"
    let (kept, position) = try await ledger.once(operation, by: caller, isDryRun: validateOnly) { connection in
      let created = try await connection.query(UserSQL.create, UserSQL.parameters([user], by: caller))
      if created.rowCount > 0 {
        let kept = KeptUser(
          createdAt: try created.timestamp(0, 0).microseconds, isNew: true, segments: try created.textArray(0, 1))
        return (kept, try AuditPosition(created, row: 0, column: 2))
      }
      guard allowExisting else { throw SegmentationError.userAlreadyExists(user) }
      let found = try await connection.query(UserSQL.get, [.int64(user.number)])
      // Known when we tried to create it and gone now: let the whole be tried again.
      guard found.rowCount > 0 else {
        throw PostgresError(.server, "the user came and went", sqlState: .serializationFailure)
      }
      return (KeptUser(createdAt: try found.timestamp(0, 0).microseconds, isNew: false, segments: []), nil)
    }
    installation.committed(position)
    let identity = position == nil ? nil : try await installation.identity(deadline: caller.deadline)
    return UserCreation(
      user: User(id: user, createdAt: Timestamp(microseconds: kept.createdAt)), isNew: kept.isNew,
      segments: kept.segments.map(Slug.init(stored:)),
      token: identity.flatMap { identity in position.map { AuditToken(identity, $0) } })
  }

  /// Some users, ordered by id.
  /// - Parameters:
  ///   - after: Only users with a greater id.
  ///   - limit: At most so many; fewer means that there are no more.
  package func list(
    after: Int64, limit: Int, by caller: Caller
  ) async throws(SegmentationError) -> KeysetChunk<User> {
    try await translating {
      let result = try await pool.query(
        UserSQL.list, [.int64(after), .int64(Int64(limit))], deadline: caller.deadline)
      let users = try (0..<result.rowCount).map { row in
        User(id: UserID(stored: try result.int64(row, 0)), createdAt: try result.timestamp(row, 1))
      }
      return KeysetChunk(items: users, readAt: users.isEmpty ? nil : try result.timestamp(0, 2))
    }
  }

  /// - Throws: `userNotFound`.
  package func get(_ user: UserID, by caller: Caller) async throws(SegmentationError) -> User {
    let result = try await translating {
      try await pool.query(UserSQL.get, [.int64(user.number)], deadline: caller.deadline)
    }
    guard result.rowCount > 0 else { throw .userNotFound(user) }
    return User(id: user, createdAt: try await translating { try result.timestamp(0, 0) })
  }
}

/// What the ledger keeps of the answer.
private struct KeptUser: Codable, Sendable {
  let createdAt: Int64
  let isNew: Bool
  let segments: [String]
}
