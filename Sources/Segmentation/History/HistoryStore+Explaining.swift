import Postgres

extension HistoryStore {
  /// Tells why a user is or was in a segment, or not.
  /// - Parameters:
  ///   - reference: A slug means the segment that had it at the instant, or failing that the one that has it, or had it last.
  ///   - instant: Nil for now.
  /// - Throws: `segmentNotFound` when no segment ever had that name, `invalid` for an instant in the future, `unsettled`.
  package func explain(
    _ user: UserID, in reference: SegmentReference, at instant: Timestamp?, by caller: Caller
  ) async throws(SegmentationError) -> MembershipExplanation {
    let moment: Timestamp
    if let instant { moment = instant } else { moment = try await clock(by: caller) }
    // Now is settled by being told.
    let keptSince =
      instant == nil ? try await writers(at: moment, by: caller).keptSince : try await settle(moment, by: caller)
    guard let past = try await lookUp(reference, at: moment, by: caller) else { throw .segmentNotFound(reference) }
    let (latest, userCreatedAt) = try await translating {
      let records = try await pool.query(
        HistorySQL.lastRecords,
        [.int64(user.number), .int64(past.segment.id.number), .timestamp(moment)], deadline: caller.deadline)
      let known = try await pool.query(UserSQL.get, [.int64(user.number)], deadline: caller.deadline)
      return (
        try (0..<records.rowCount).map { try AuditRecord(records, row: $0, user: user, segment: past.segment.id) },
        known.rowCount > 0 ? try known.timestamp(0, 0) : nil
      )
    }
    var explanation = try MembershipExplanation(
      user, in: past, at: moment, latest: latest, userCreatedAt: userCreatedAt, keptSince: keptSince)
    if keptSince != nil, latest.isEmpty {
      let found = try await memberships(of: [user], at: moment, by: caller)[0]
      explanation.cameIn(found.first { $0.segment == past.segment.id })
    }
    return explanation
  }

  private func clock(by caller: Caller) async throws(SegmentationError) -> Timestamp {
    try await translating {
      try await pool.query(HistorySQL.clock, [], deadline: caller.deadline).timestamp(0, 0)
    }
  }
}
