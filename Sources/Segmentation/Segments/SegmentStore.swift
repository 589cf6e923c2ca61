import Postgres

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// A new segment.
package struct SegmentCreation: Sendable {
  package let segment: Segment
  /// Users that its outreach brought in.
  package let enrolled: Int64
  /// Behind the audit records of that; nil when nobody came in.
  package let token: AuditToken?
}

/// Creates, reads and deletes segments. One per loop, confined to it. All methods throw `SegmentationError`.
package final class SegmentStore: @unchecked Sendable {
  let pool: PostgresPool
  let installation: Installation
  let settings: SegmentationSettings
  let ledger: RequestLedger

  package init(pool: PostgresPool, installation: Installation, settings: SegmentationSettings = SegmentationSettings())
  {
    self.pool = pool
    self.installation = installation
    self.settings = settings
    ledger = RequestLedger(pool: pool, settings: settings)
  }

  // MARK: Creating

  /// Creates a segment and enrols the users that its outreach covers, in one transaction.
  /// - Parameter validateOnly: Tell what would happen, and change nothing. Counts nobody as enrolled.
  /// - Throws: `segmentAlreadyExists` when a living segment has the slug.
  package func create(
    _ slug: Slug, description: SegmentDescription, outreach: Outreach, validateOnly: Bool = false, by caller: Caller
  ) async throws(SegmentationError) -> SegmentCreation {
    let operation = "CreateSegment\n\(slug)\n\(outreach.partsPerMillion)\n\(description)"
    let (kept, position) = try await ledger.once(operation, by: caller, isDryRun: validateOnly) { connection in
      // Nobody may become known between the look at the users and the commit: whoever comes later sees the segment.
      let enrols = outreach > .none && !validateOnly
      if enrols { _ = try await connection.query(SegmentSQL.lockUsers) }
      let result = try await connection.query(
        enrols ? SegmentSQL.createEnrolling : SegmentSQL.create,
        [.text(slug.text), .text(description.text), .int32(outreach.partsPerMillion)]
          + (enrols ? [.text(caller.loggedActor), .optionalText(caller.requestID?.text)] : []))
      guard result.rowCount > 0 else { throw SegmentationError.segmentAlreadyExists(slug) }
      let segment = try Segment(result, row: 0)
      let enrolled = enrols ? try result.int64(0, 6) : 0
      let position = enrols ? try AuditPosition(result, row: 0, column: 7) : nil
      return (KeptSegment(segment, enrolled: enrolled), position)
    }
    return SegmentCreation(
      segment: kept.segment, enrolled: kept.enrolled, token: try await token(position, deadline: caller.deadline))
  }

  // MARK: Reading

  /// - Parameter counting: Also count the members, which takes a while for a large segment.
  /// - Throws: `segmentNotFound`.
  package func get(
    _ reference: SegmentReference, counting: Bool = false, by caller: Caller
  ) async throws(SegmentationError) -> Segment {
    let result = try await translating {
      try await pool.query(
        counting ? SegmentSQL.getCounting : SegmentSQL.get,
        [.optionalText(reference.slugText), .optionalInt64(reference.idNumber)], deadline: caller.deadline)
    }
    guard result.rowCount > 0 else { throw .segmentNotFound(reference) }
    return try await translating { try Segment(result, row: 0, counting: counting) }
  }

  /// One page of the living segments, ordered by slug (in the order of its bytes).
  /// - Parameters:
  ///   - prefix: Only slugs that begin with this.
  ///   - pageToken: `next` of the page before; empty for the first.
  /// - Throws: `invalid` for a prefix that no slug has, or a token of another list.
  package func list(
    prefix: String = "", pageSize: PageSize, pageToken: String = "", counting: Bool = false, by caller: Caller
  ) async throws(SegmentationError) -> SegmentPage {
    guard Slug.isPrefix(prefix) else { throw .invalid(field: "slug_prefix", reason: "cannot begin a slug") }
    let after = try SegmentPageToken(pageToken, prefix: prefix)
    let parameters: [Parameter] = [
      .text(after.lastSlug), .text(prefix), .text(prefix + "\u{7f}"), .int64(Int64(pageSize.count + 1)),
    ]
    let result = try await translating {
      try await pool.query(
        counting ? SegmentSQL.listCounting : SegmentSQL.list, parameters, deadline: caller.deadline)
    }
    let shown = min(result.rowCount, pageSize.count)
    let segments = try await translating {
      try (0..<shown).map { try Segment(result, row: $0, counting: counting) }
    }
    let isLast = result.rowCount <= pageSize.count
    let next = isLast ? "" : segments.last.map { SegmentPageToken(lastSlug: $0.slug.text, prefix: prefix).text } ?? ""
    return SegmentPage(segments: segments, next: next)
  }

  // MARK: Deleting

  /// Deletes a segment and deprives its members, in one transaction. Its slug is free at once.
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
    let (kept, position) = try await ledger.once(operation, by: caller, isDryRun: validateOnly) { connection in
      // Waits for those who are assigning the segment; whoever comes later waits for us and finds it gone.
      let found = try await connection.query(
        SegmentSQL.lock, [.optionalText(reference.slugText), .optionalInt64(reference.idNumber)])
      guard found.rowCount > 0 else {
        if allowMissing { return (KeptDeletion(segment: nil), nil as AuditPosition?) }
        throw SegmentationError.segmentNotFound(reference)
      }
      let segment = try Segment(found, row: 0)
      if let etag, etag != segment.etag { throw SegmentationError.segmentChanged(reference) }
      let answer = KeptDeletion(segment: KeptSegment(segment, enrolled: 0))
      if validateOnly { return (answer, nil) }
      let result = try await connection.query(
        SegmentSQL.delete,
        [.int64(segment.id.number), .text(caller.loggedActor), .optionalText(caller.requestID?.text)])
      return (answer, try AuditPosition(result, row: 0, column: 0))
    }
    installation.committed(position)
    return kept.segment?.segment
  }

  private func token(
    _ position: AuditPosition?, deadline: ContinuousClock.Instant?
  ) async throws(SegmentationError) -> AuditToken? {
    guard let position else { return nil }
    installation.committed(position)
    return AuditToken(try await installation.identity(deadline: deadline), position)
  }
}

/// One page of segments.
package struct SegmentPage: Sendable {
  package let segments: [Segment]
  /// The token of the next page; empty on the last.
  package let next: String
}

/// What the ledger keeps of an answer about a segment.
struct KeptSegment: Codable, Sendable {
  let id: Int64
  let slug: String
  let description: String
  let outreach: Int32
  let createdAt: Int64
  let updatedAt: Int64
  let enrolled: Int64

  init(_ segment: Segment, enrolled: Int64) {
    id = segment.id.number
    slug = segment.slug.text
    description = segment.description.text
    outreach = segment.outreach.partsPerMillion
    createdAt = segment.createdAt.microseconds
    updatedAt = segment.updatedAt.microseconds
    self.enrolled = enrolled
  }

  var segment: Segment {
    Segment(
      id: SegmentID(stored: id), slug: Slug(stored: slug), description: SegmentDescription(stored: description),
      outreach: Outreach(stored: outreach), createdAt: Timestamp(microseconds: createdAt),
      updatedAt: Timestamp(microseconds: updatedAt))
  }
}

/// What the ledger keeps of a deletion.
private struct KeptDeletion: Codable, Sendable {
  let segment: KeptSegment?
}

extension Segment {
  /// Columns: id, slug, description, outreach, created, updated, and the count when asked for.
  init(_ result: PostgresResult, row: Int, counting: Bool = false) throws {
    self.init(
      id: SegmentID(stored: try result.int64(row, 0)), slug: Slug(stored: try result.text(row, 1)),
      description: SegmentDescription(stored: try result.text(row, 2)),
      outreach: Outreach(stored: try result.int32(row, 3)), createdAt: try result.timestamp(row, 4),
      updatedAt: try result.timestamp(row, 5), memberCount: counting ? try result.int64(row, 6) : nil)
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
