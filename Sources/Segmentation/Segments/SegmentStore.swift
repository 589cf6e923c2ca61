import Postgres

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// A segment after a change, and what goes on behind it.
package struct SegmentChange: Sendable {
  package let segment: Segment
  /// What its outreach brings in and lets go, in the background; nil when that does not change.
  package let rollout: Rollout?
}

/// Creates, changes, reads and deletes segments. One per loop, confined to it. All methods throw `SegmentationError`.
package final class SegmentStore: @unchecked Sendable {
  let pool: PostgresPool
  let installation: Installation
  let settings: SegmentationSettings
  let ledger: RequestLedger
  /// Rung when there is something to do in the background.
  let bell: RolloutBell

  package init(
    pool: PostgresPool, installation: Installation, settings: SegmentationSettings = SegmentationSettings(),
    bell: RolloutBell = RolloutBell()
  ) {
    self.pool = pool
    self.installation = installation
    self.settings = settings
    self.bell = bell
    ledger = RequestLedger(pool: pool, settings: settings)
  }

  // MARK: Creating

  /// Creates a segment. The users that its outreach covers are enrolled in the background; those who become known from then on
  /// are at once.
  /// - Parameter validateOnly: Tell what would happen, and change nothing.
  /// - Throws: `segmentAlreadyExists` when a living segment has the slug.
  package func create(
    _ slug: Slug, description: SegmentDescription, outreach: Outreach, validateOnly: Bool = false, by caller: Caller
  ) async throws(SegmentationError) -> SegmentChange {
    let operation = "CreateSegment\n\(slug)\n\(outreach.partsPerMillion)\n\(description)"
    let (kept, _) = try await ledger.once(operation, by: caller, isDryRun: validateOnly) { connection in
      let result = try await connection.query(
        SegmentSQL.create, [.text(slug.text), .text(description.text), .int32(outreach.partsPerMillion)])
      guard result.rowCount > 0 else { throw SegmentationError.segmentAlreadyExists(slug) }
      let segment = try Segment(result, row: 0)
      let plan = RolloutPlan(from: .none, to: outreach)
      let rollout = try await begin(plan, of: segment, connection, validateOnly: validateOnly, by: caller)
      return (KeptSegment(segment, rollout), nil as AuditPosition?)
    }
    if kept.rollout != nil { bell.ring() }
    return kept.change
  }

  // MARK: Reading

  /// - Parameter full: Also count the members, which takes a while for a large segment, and tell the unfinished rollout.
  /// - Throws: `segmentNotFound`.
  package func get(
    _ reference: SegmentReference, full: Bool = false, by caller: Caller
  ) async throws(SegmentationError) -> Segment {
    let result = try await translating {
      try await pool.query(
        full ? SegmentSQL.getFull : SegmentSQL.get,
        [.optionalText(reference.slugText), .optionalInt64(reference.idNumber)], deadline: caller.deadline)
    }
    guard result.rowCount > 0 else { throw .segmentNotFound(reference) }
    return try await translating { try Segment(result, row: 0, full: full) }
  }

  /// One page of the living segments, ordered by slug (in the order of its bytes).
  /// - Parameters:
  ///   - prefix: Only slugs that begin with this.
  ///   - pageToken: `next` of the page before; empty for the first.
  /// - Throws: `invalid` for a prefix that no slug has, or a token of another list.
  package func list(
    prefix: String = "", pageSize: PageSize, pageToken: String = "", full: Bool = false, by caller: Caller
  ) async throws(SegmentationError) -> SegmentPage {
    guard Slug.isPrefix(prefix) else { throw .invalid(field: "slug_prefix", reason: "cannot begin a slug") }
    let after = try SegmentPageToken(pageToken, prefix: prefix)
    let parameters: [Parameter] = [
      .text(after.lastSlug), .text(prefix), .text(prefix + "\u{7f}"), .int64(Int64(pageSize.count + 1)),
    ]
    let result = try await translating {
      try await pool.query(
        full ? SegmentSQL.listFull : SegmentSQL.list, parameters, deadline: caller.deadline)
    }
    let shown = min(result.rowCount, pageSize.count)
    let segments = try await translating {
      try (0..<shown).map { try Segment(result, row: $0, full: full) }
    }
    let isLast = result.rowCount <= pageSize.count
    let next = isLast ? "" : segments.last.map { SegmentPageToken(lastSlug: $0.slug.text, prefix: prefix).text } ?? ""
    return SegmentPage(segments: segments, next: next)
  }

  // MARK: Deleting

  /// Deletes a segment: from then on nobody sees it or is in it, and its slug is free. That its members are out since then is
  /// written to the audit log in the background.
  /// - Parameters:
  ///   - etag: Only when the segment is still as this etag says; nil in any case.
  ///   - allowMissing: A segment that does not exist is no error.
  ///   - validateOnly: Tell what would happen, and change nothing.
  /// - Returns: The segment as it was last; nil when there was none.
  /// - Throws: `segmentNotFound`, `segmentChanged`.
  package func delete(
    _ reference: SegmentReference, etag: String? = nil, allowMissing: Bool = false, validateOnly: Bool = false,
    by caller: Caller
  ) async throws(SegmentationError) -> Segment? {
    let operation = "DeleteSegment\n\(reference.fingerprint)\n\(etag ?? "")\n\(allowMissing)"
    let (kept, _) = try await ledger.once(operation, by: caller, isDryRun: validateOnly) { connection in
      // Waits for those who are assigning the segment; whoever comes later waits for us and finds it gone.
      let found = try await connection.query(
        SegmentSQL.lock, [.optionalText(reference.slugText), .optionalInt64(reference.idNumber)])
      guard found.rowCount > 0 else {
        if allowMissing { return (KeptDeletion(segment: nil), nil as AuditPosition?) }
        throw SegmentationError.segmentNotFound(reference)
      }
      let segment = try Segment(found, row: 0)
      if let etag, etag != segment.etag { throw SegmentationError.segmentChanged(reference) }
      if !validateOnly {
        _ = try await supersede(segment, for: .none, connection)
        _ = try await connection.query(
          DeletionSQL.begin,
          [.int64(segment.id.number), .text(caller.loggedActor), .optionalText(caller.requestID?.text)])
      }
      return (KeptDeletion(segment: KeptSegment(segment, nil)), nil)
    }
    if kept.segment != nil { bell.ring() }
    return kept.segment?.change.segment
  }
}

/// One page of segments.
package struct SegmentPage: Sendable {
  package let segments: [Segment]
  /// The token of the next page; empty on the last.
  package let next: String
}

/// What the ledger keeps of a deletion.
private struct KeptDeletion: Codable, Sendable {
  let segment: KeptSegment?
}

extension Segment {
  /// Columns: id, slug, description, outreach, created, updated; in full also the count and `RolloutSQL.columns`.
  init(_ result: PostgresResult, row: Int, full: Bool = false) throws {
    self.init(
      id: SegmentID(stored: try result.int64(row, 0)), slug: Slug(stored: try result.text(row, 1)),
      description: SegmentDescription(stored: try result.text(row, 2)),
      outreach: Outreach(stored: try result.int32(row, 3)), createdAt: try result.timestamp(row, 4),
      updatedAt: try result.timestamp(row, 5), memberCount: full ? try result.int64(row, 6) : nil,
      rollout: full ? try Rollout(result, row: row, column: 7) : nil)
  }
}

extension SegmentReference {
  /// For the digest of a request: a slug never looks like an id.
  var fingerprint: String {
    switch self {
    case .slug(let slug): "slug:\(slug)"
    case .id(let id): "id:\(id)"
    }
  }
}
