import Postgres

extension SegmentStore {
  /// The latest rollout of a segment, also of one that has been deleted; nil when it never had one.
  package func rollout(
    of segment: SegmentID, deadline: ContinuousClock.Instant?
  ) async throws(SegmentationError) -> Rollout? {
    try await translating {
      let result = try await pool.query(RolloutSQL.latest, [.int64(segment.number)], deadline: deadline)
      return result.rowCount > 0 ? try Rollout(result, row: 0) : nil
    }
  }

  /// Ends the rollout that is on its way, if any, for another outreach; the segment is locked.
  func supersede(
    _ segment: Segment, for outreach: Outreach, _ connection: PostgresConnection
  ) async throws -> RolloutPlan.Unfinished? {
    let result = try await connection.query(
      RolloutSQL.supersede, [.int64(segment.id.number), .int32(outreach.partsPerMillion)])
    guard result.rowCount > 0 else { return nil }
    return RolloutPlan.Unfinished(
      floor: Outreach(stored: try result.int32(0, 0)), releases: try result.bool(0, 1))
  }

  /// Notes a rollout to be carried out once the transaction has committed. To be called last: from here to the commit nobody
  /// becomes known.
  /// - Parameter segment: With the new outreach.
  /// - Returns: Nil when the outreach does not change.
  func begin(
    _ plan: RolloutPlan, of segment: Segment, _ connection: PostgresConnection, validateOnly: Bool, by caller: Caller
  ) async throws -> Rollout? {
    guard plan.from != plan.to else { return nil }
    if !validateOnly { _ = try await connection.query(RolloutSQL.shutGate) }
    let result = try await connection.query(
      RolloutSQL.create,
      [
        .int64(segment.id.number), .int32(plan.from.partsPerMillion), .int32(plan.to.partsPerMillion),
        .int32(plan.floor.partsPerMillion), .bool(plan.adopts), .bool(plan.releases), .text(caller.loggedActor),
        .optionalText(caller.requestID?.text),
      ])
    let createdAt = try result.timestamp(0, 1)
    return Rollout(
      id: validateOnly ? 0 : try result.int64(0, 0), segment: segment.id, slug: segment.slug, from: plan.from,
      to: plan.to,
      state: .pending, createdAt: createdAt, updatedAt: createdAt)
  }
}
