import Postgres

/// What deleting a user did.
package struct UserDeletion: Sendable {
  /// As it was last; nil when there was none.
  package let user: User?
  /// The segments that it was deprived of, sorted.
  package let segments: [Slug]
  /// Behind the audit records of that; nil when there are none.
  package let token: AuditToken?
}

extension UserStore {
  /// Deletes a user and deprives it of all segments; its audit history stays.
  /// - Parameters:
  ///   - allowMissing: A user that does not exist is no error.
  ///   - validateOnly: Tell what would happen, and change nothing.
  /// - Throws: `userNotFound`.
  package func delete(
    _ user: UserID, allowMissing: Bool = false, validateOnly: Bool = false, by caller: Caller
  ) async throws(SegmentationError) -> UserDeletion {
    let operation = "DeleteUser\n\(user)\n\(allowMissing)"
    let (kept, position) = try await ledger.once(operation, by: caller, isDryRun: validateOnly) { connection in
      // Whoever is putting it into a segment comes first; whoever wants to from here on finds it gone.
      _ = try await connection.query(UserSQL.release, [.int32(user.lock)])
      let deleted = try await connection.query(
        UserSQL.delete, [.int64(user.number), .text(caller.loggedActor), .optionalText(caller.requestID?.text)])
      guard deleted.rowCount > 0 else {
        if allowMissing { return (KeptUserDeletion(createdAt: nil, segments: []), nil as AuditPosition?) }
        throw SegmentationError.userNotFound(user)
      }
      let kept = KeptUserDeletion(
        createdAt: try deleted.timestamp(0, 0).microseconds, segments: try deleted.textArray(0, 1))
      return (kept, try AuditPosition(deleted, row: 0, column: 2))
    }
    installation.committed(position)
    let identity = position == nil ? nil : try await installation.identity(deadline: caller.deadline)
    return UserDeletion(
      user: kept.createdAt.map { User(id: user, createdAt: Timestamp(microseconds: $0)) },
      segments: kept.segments.map(Slug.init(stored:)),
      token: identity.flatMap { identity in position.map { AuditToken(identity, $0) } })
  }
}

/// What the ledger keeps of the answer.
private struct KeptUserDeletion: Codable, Sendable {
  let createdAt: Int64?
  let segments: [String]
}
