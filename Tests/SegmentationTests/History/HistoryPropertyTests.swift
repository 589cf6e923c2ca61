import Postgres
import TestSupport
import Testing

@testable import Segmentation

/// A random history, with what was there noted on the way; the log must tell the same of every instant later.
@Suite struct `Any history` {
  /// What was there from one instant to another, in which nobody changed anything but time passed.
  private struct Quiet: Sendable {
    let from: Timestamp
    let to: Timestamp
    /// The rows of all memberships, those whose time is up as well, of living segments.
    let rows: [Membership]

    func memberships(of user: UserID, at instant: Timestamp) -> [Membership] {
      rows.filter { $0.user == user && $0.expiresAt.map { $0 > instant } ?? true }.sorted { $0.slug < $1.slug }
    }
  }

  private static let users = try? (1...5).map { try UserID($0) }
  private static let slugs = ["A", "B", "C", "ALL"]

  @Test(arguments: [1, 2, 3] as [UInt64])
  func `is told as it was`(_ seed: UInt64) async throws {
    let users = try #require(Self.users)
    try await withStores { stores in
      var random = SplitMix(seed: seed)
      var past: [Quiet] = []
      for slug in Self.slugs { try await stores.segment(slug, outreach: slug == "ALL" ? 1 : 0) }
      for _ in 0..<150 {
        try await Self.step(stores, &random)
        let from = try await Self.clock(stores)
        let rows = try await Self.rows(stores)
        try await stores.sql("SELECT pg_sleep(\(Double.random(in: 0...0.004, using: &random)))")
        past.append(Quiet(from: from, to: try await Self.clock(stores), rows: rows))
      }
      for quiet in past {
        let instant = Timestamp(
          microseconds: Int64.random(in: quiet.from.microseconds...quiet.to.microseconds, using: &random))
        let expected = users.map { quiet.memberships(of: $0, at: instant) }
        #expect(
          try await stores.history.memberships(of: users, at: instant, by: stores.caller) == expected, "seed \(seed)")
        #expect(
          try await stores.history.segments(of: users, at: instant, by: stores.caller)
            == expected.map { $0.map(\.slug) })
        try await Self.compareMembers(stores, expected.flatMap { $0 }, at: instant)
      }
    }
  }

  /// Old partitions are dropped; who came in before is told by what came later.
  @Test(arguments: [4, 5] as [UInt64])
  func `is told as it was, from where the log is kept on`(_ seed: UInt64) async throws {
    let users = try #require(Self.users)
    try await withStores(checksAudit: false) { stores in
      var random = SplitMix(seed: seed)
      var past: [Quiet] = []
      for slug in Self.slugs { try await stores.segment(slug, outreach: slug == "ALL" ? 1 : 0) }
      for _ in 0..<120 {
        try await Self.step(stores, &random)
        let from = try await Self.clock(stores)
        let rows = try await Self.rows(stores)
        past.append(Quiet(from: from, to: try await Self.clock(stores), rows: rows))
      }
      for cut in [20, 60, 100] {
        let keptSince = past[cut].from
        try await stores.sql("ALTER TABLE segmentd.installation ADD COLUMN IF NOT EXISTS kept_since timestamptz")
        try await stores.sql("UPDATE segmentd.installation SET kept_since = $1", [.timestamp(keptSince)])
        try await stores.sql("DELETE FROM segmentd.audit WHERE recorded_at < $1", [.timestamp(keptSince)])
        for quiet in past[cut...] {
          let expected = users.map { quiet.memberships(of: $0, at: quiet.from) }
          let told = try await stores.history.memberships(of: users, at: quiet.from, by: stores.caller)
          #expect(told.map { $0.map(\.slug) } == expected.map { $0.map(\.slug) }, "seed \(seed)")
          for (told, expected) in zip(told.joined(), expected.joined()) {
            #expect(told.assignedAt == nil || told.assignedAt == expected.assignedAt)
            #expect(told.source == nil || told.source == expected.source)
          }
          for slug in Self.slugs {
            let reference = SegmentReference.slug(try Slug(slug))
            let found = try await stores.history.lookUp(reference, at: quiet.from, by: stores.caller)
            guard let found, found.lived(at: quiet.from) else { continue }
            var listed: [UserID] = []
            try await stores.history.members(
              of: found.segment, at: quiet.from, after: 0, limit: 100, batch: 2, by: stores.caller
            ) { listed += $0.map(\.user) }
            #expect(listed == expected.joined().filter { $0.slug.text == slug }.map(\.user))
            let explanation = try await stores.history.explain(
              users[0], in: reference, at: quiet.from, by: stores.caller)
            #expect(explanation.isMember == expected[0].contains { $0.slug.text == slug })
          }
        }
        let before = Timestamp(microseconds: keptSince.microseconds - 1)
        let refusal = SegmentationError.invalid(field: "as_of", reason: "lies before what the audit log keeps")
        await #expect(throws: refusal) {
          try await stores.history.segments(of: users, at: before, by: stores.caller)
        }
      }
    }
  }

  /// One change of anything, or a sweep; it may be refused.
  private static func step(_ stores: Stores, _ random: inout SplitMix) async throws {
    let user = Int64.random(in: 1...5, using: &random)
    let slug = slugs.randomElement(using: &random) ?? "A"
    let expiries: [Expiry] = [.never, anHour, .after(microseconds: .random(in: 1...20_000, using: &random))]
    let expiry = expiries.randomElement(using: &random) ?? .never
    do {
      switch Int.random(in: 0..<12, using: &random) {
      case 0...4:
        try await stores.update(user, assign: [assignment(slug, expiry)], present: .replaceExpiry, createUser: true)
      case 5, 6: try await stores.update(user, remove: [slug], missing: .ignore)
      case 7:
        let session = stores.memberships.beginImport(
          ImportOptions(createUsers: true, createSegments: true), by: stores.caller)
        try await session.add((1...5).map { ImportRow(user: $0, segment: slug) })
        _ = try await session.finish()
      case 8: _ = try await stores.users.delete(UserID(user), by: stores.caller)
      case 9: _ = try await stores.segments.delete(.slug(Slug(slug)), by: stores.caller)
      case 10: try await stores.segment(slug, outreach: slug == "ALL" ? 1 : 0)
      default: try await stores.sweeper.sweep()
      }
    } catch SegmentationError.userNotFound, SegmentationError.segmentNotFound, SegmentationError.segmentAlreadyExists {}
  }

  private static func clock(_ stores: Stores) async throws -> Timestamp {
    try await stores.sql("SELECT clock_timestamp()").timestamp(0, 0)
  }

  private static func rows(_ stores: Stores) async throws -> [Membership] {
    let result = try await stores.sql(
      """
      SELECT m.user_id, m.segment_id, s.slug, m.assigned_at, m.expires_at, m.cause
      FROM segmentd.memberships AS m JOIN segmentd.segments AS s ON s.id = m.segment_id AND s.deleted_at IS NULL
      """)
    return try (0..<result.rowCount).map { row in
      Membership(
        user: UserID(stored: try result.int64(row, 0)), segment: SegmentID(stored: try result.int64(row, 1)),
        slug: Slug(stored: try result.text(row, 2)), assignedAt: try result.timestamp(row, 3),
        expiresAt: try result.optionalTimestamp(row, 4), source: AuditCause(stored: try result.int64(row, 5)))
    }
  }

  /// The listing of each segment that was there, and a check of each user.
  private static func compareMembers(
    _ stores: Stores, _ expected: [Membership], at instant: Timestamp
  ) async throws {
    for slug in slugs {
      let reference = SegmentReference.slug(try Slug(slug))
      let found = try await stores.history.lookUp(reference, at: instant, by: stores.caller)
      guard let found, found.lived(at: instant) else {
        #expect(!expected.contains { $0.slug.text == slug })
        continue
      }
      var listed: [Membership] = []
      try await stores.history.members(
        of: found.segment, at: instant, after: 0, limit: 100, batch: 2, by: stores.caller
      ) { listed += $0 }
      #expect(listed == expected.filter { $0.slug.text == slug }.sorted { $0.user < $1.user })
    }
  }
}
