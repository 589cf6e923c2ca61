import Postgres

/// What to change of a segment; nil for what stays.
package struct SegmentUpdate: Sendable {
  package var description: SegmentDescription?
  package var outreach: Outreach?
  package var presentPolicy: OutreachPresentPolicy
  package var releasePolicy: OutreachReleasePolicy

  package init(
    description: SegmentDescription? = nil, outreach: Outreach? = nil, presentPolicy: OutreachPresentPolicy = .keep,
    releasePolicy: OutreachReleasePolicy = .release
  ) {
    self.description = description
    self.outreach = outreach
    self.presentPolicy = presentPolicy
    self.releasePolicy = releasePolicy
  }

  /// For the digest of a request.
  fileprivate var fingerprint: String {
    let outreach = outreach.map { "\($0.partsPerMillion)" } ?? ""
    let description = description.map { "=\($0)" } ?? ""
    return "\(outreach)\n\(presentPolicy)\n\(releasePolicy)\n\(description)"
  }
}

extension SegmentStore {
  /// Changes a segment. A change of its outreach goes through the users in the background, and replaces one that is on its way;
  /// whoever becomes known from then on is measured against the new one.
  /// - Parameters:
  ///   - etag: Only when the segment is still as this etag says; nil in any case.
  ///   - validateOnly: Tell what would happen, and change nothing.
  /// - Throws: `segmentNotFound`, `segmentChanged`.
  package func update(
    _ reference: SegmentReference, _ update: SegmentUpdate, etag: String? = nil, validateOnly: Bool = false,
    by caller: Caller
  ) async throws(SegmentationError) -> SegmentChange {
    let operation = "UpdateSegment\n\(reference.fingerprint)\n\(etag ?? "")\n\(update.fingerprint)"
    let (kept, _) = try await ledger.once(operation, by: caller, isDryRun: validateOnly) { connection in
      let found = try await connection.query(
        SegmentSQL.lockForChange, [.optionalText(reference.slugText), .optionalInt64(reference.idNumber)])
      guard found.rowCount > 0 else { throw SegmentationError.segmentNotFound(reference) }
      let before = try Segment(found, row: 0)
      if let etag, etag != before.etag { throw SegmentationError.segmentChanged(reference) }
      let description = update.description == before.description ? nil : update.description
      let outreach = update.outreach == before.outreach ? nil : update.outreach
      guard description != nil || outreach != nil else { return (KeptSegment(before, nil), nil as AuditPosition?) }
      let result = try await connection.query(
        SegmentSQL.update,
        [
          .int64(before.id.number), .optionalText(description?.text),
          outreach.map { .int32($0.partsPerMillion) } ?? .null,
        ])
      let segment = try Segment(result, row: 0)
      guard let outreach else { return (KeptSegment(segment, nil), nil) }
      let unfinished = try await supersede(before, for: outreach, connection)
      let plan = RolloutPlan(
        from: before.outreach, to: outreach, replacing: unfinished, present: update.presentPolicy,
        release: update.releasePolicy)
      let rollout = try await begin(plan, of: segment, connection, validateOnly: validateOnly, by: caller)
      return (KeptSegment(segment, rollout), nil)
    }
    if kept.rollout != nil { bell.ring() }
    return kept.change
  }
}
