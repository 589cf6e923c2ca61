import Postgres

/// The slugs of segments by id, so that reads need no join. A slug never changes and an id is never used again, so
/// nothing in it goes stale. Confined to its loop.
package final class SegmentDirectory: @unchecked Sendable {
  private static let lookUp = Statement(
    "directory_look_up",
    """
    SELECT id, slug FROM segmentd.segments WHERE id = ANY ($1)
    """)

  private static let lookUpLiving = Statement(
    "directory_look_up_living",
    """
    SELECT id, slug FROM segmentd.segments WHERE slug = ANY ($1) AND deleted_at IS NULL
    """)

  private let pool: PostgresPool
  private var slugs: [Int64: Slug] = [:]
  /// Which segment had the slug when it was looked up last. Another one may have it by now: whoever uses it has to verify
  /// that this one lives.
  private var livingIDs: [Slug: Int64] = [:]

  package init(pool: PostgresPool) {
    self.pool = pool
  }

  /// Nil when it is not known yet.
  subscript(id: Int64) -> Slug? { slugs[id] }

  func note(_ slug: Slug, id: Int64) {
    slugs[id] = slug
  }

  /// Fetches those of the ids that are not known yet.
  /// - Throws: `PostgresError`; `SegmentationError.internal` when there is no such segment.
  func learn(_ ids: Set<Int64>, deadline: ContinuousClock.Instant?) async throws {
    let unknown = ids.filter { slugs[$0] == nil }
    guard !unknown.isEmpty else { return }
    let result = try await pool.query(Self.lookUp, [.int64Array(Array(unknown))], deadline: deadline)
    for row in 0..<result.rowCount {
      slugs[try result.int64(row, 0)] = Slug(stored: try result.text(row, 1))
    }
    guard let lost = unknown.first(where: { slugs[$0] == nil }) else { return }
    throw SegmentationError.internal("segment \(lost) has memberships and no row")
  }

  /// The living segment of that slug when it was looked up last; nil when it is not known.
  func living(_ slug: Slug) -> Int64? { livingIDs[slug] }

  /// That segment is gone: the slug is to be looked up again.
  func forgetLiving(_ slug: Slug, id: Int64) {
    if livingIDs[slug] == id { livingIDs[slug] = nil }
  }

  /// Looks up those of the slugs that are not known. One that no living segment has stays unknown.
  /// - Throws: `PostgresError`.
  func learnLiving(_ slugs: Set<Slug>, deadline: ContinuousClock.Instant?) async throws {
    let unknown = slugs.filter { livingIDs[$0] == nil }
    guard !unknown.isEmpty else { return }
    let result = try await pool.query(
      Self.lookUpLiving, [.textArray(unknown.map(\.text))], deadline: deadline)
    for row in 0..<result.rowCount {
      let id = try result.int64(row, 0)
      let slug = Slug(stored: try result.text(row, 1))
      livingIDs[slug] = id
      self.slugs[id] = slug
    }
  }
}
