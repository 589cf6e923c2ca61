import Postgres
import Testing

@testable import Segmentation

@Suite struct `Segment deletion` {
  /// Everything that tells memberships, before the first of them is deprived.
  @Test func `a deleted segment is invisible at once to every call`() async throws {
    try await withStores { stores in
      let gone = try await stores.segment("A")
      try await stores.segment("B")
      for user in Int64(1)...3 {
        try await stores.update(user, assign: [assignment("A"), assignment("B")], createUser: true)
      }
      _ = try await stores.segments.delete(.slug(Slug("A")), by: stores.caller)
      #expect(try await stores.members(gone).count == 3)
      let users = [try UserID(1), try UserID(2)]
      #expect(try await stores.slugs(of: 1) == ["B"])
      #expect(try await stores.memberships.memberships(of: UserID(1), by: stores.caller).map(\.slug.text) == ["B"])
      #expect(
        try await stores.memberships.segments(of: users, by: stores.caller).map { $0.map(\.text) } == [["B"], ["B"]])
      #expect(try await stores.memberships.memberships(of: users, by: stores.caller).map(\.count) == [1, 1])
      #expect(try await stores.segments.members(of: gone, after: 0, limit: 10, by: stores.caller).items.isEmpty)
      for reference in [SegmentReference.slug(try Slug("A")), .id(gone.id)] {
        await #expect(throws: SegmentationError.segmentNotFound(reference)) {
          try await stores.memberships.check(UserID(1), in: reference, by: stores.caller)
        }
        await #expect(throws: SegmentationError.segmentNotFound(reference)) {
          try await stores.segments.get(reference, by: stores.caller)
        }
      }
      try await stores.rollouts.drain()
      #expect(try await stores.members(gone).isEmpty)
      #expect(try await stores.sql("SELECT 1 FROM segmentd.deletions").rowCount == 0)
    }
  }

  @Test func `its slug is free at once and the two never mix`() async throws {
    try await withStores { stores in
      let first = try await stores.segment("A")
      for user in Int64(1)...4 { try await stores.update(user, assign: [assignment("A")], createUser: true) }
      _ = try await stores.segments.delete(.slug(Slug("A")), by: stores.caller)
      let second = try await stores.segments.create(
        Slug("A"), description: SegmentDescription(""), outreach: .none, by: stores.caller
      ).segment
      try await stores.update(1, assign: [assignment("A")])
      #expect(try await stores.slugs(of: 1) == ["A"])
      #expect(try await stores.slugs(of: 2) == [])
      try await stores.rollouts.drain()
      #expect(try await stores.slugs(of: 1) == ["A"])
      #expect(try await stores.members(first).isEmpty)
      #expect(try await stores.members(second) == [1])
      let ends = try await stores.log().filter { $0.action == .deprive }
      #expect(ends.count == 4 && ends.allSatisfy { $0.segment == first.id && $0.cause == .segmentDeleted })
    }
  }

  @Test func `members are out since the deletion, or since they expired before it`() async throws {
    try await withStores { stores in
      let segment = try await stores.segment("A")
      for user in Int64(1)...3 {
        try await stores.update(user, assign: [assignment("A", anHour)], createUser: true)
      }
      try await stores.lapse(2, "A")
      _ = try await stores.segments.delete(.slug(Slug("A")), by: stores.caller)
      // One that expires after the deletion does not end by that: it has ended.
      try await stores.lapse(3, "A")
      try await stores.sql(
        """
        UPDATE segmentd.memberships SET expires_at = (SELECT deleted_at FROM segmentd.deletions) + interval '1 microsecond'
        WHERE user_id = 3
        """)
      #expect(try await stores.sweeper.sweep() == 0)
      try await stores.rollouts.drain()
      let deleted = try await stores.sql(
        "SELECT deleted_at FROM segmentd.segments WHERE id = $1", [.int64(segment.id.number)]
      ).timestamp(0, 0)
      let ends = try await stores.log().filter { $0.action == .deprive }
      #expect(ends.map(\.cause) == [.segmentDeleted, .expiry, .segmentDeleted])
      #expect(
        ends[0].effectiveAt == deleted && ends[1].effectiveAt == ends[1].expiresAt && ends[2].effectiveAt == deleted)
      #expect(ends[0].actor == "tester" && ends[1].actor == "")
    }
  }

  @Test func `it ends a rollout that is on its way`() async throws {
    try await withStores { stores in
      try await stores.users(1...3000)
      let segment = try await stores.segments.create(
        Slug("A"), description: SegmentDescription(""), outreach: Outreach(1), by: stores.caller
      ).segment
      for _ in 0..<2 { _ = try await stores.rollouts.turn() }
      #expect(try await stores.members(segment).count == 1000)
      try await stores.delete("A")
      #expect(try await stores.members(segment).isEmpty)
      #expect(try await stores.segments.rollout(of: segment.id, deadline: nil)?.state == .superseded)
      #expect(try await stores.log(AuditFilter(causes: [.segmentDeleted])).count == 1000)
    }
  }

  @Test func `going back to the schema before finishes it`() async throws {
    try await withStores { stores in
      let segment = try await stores.segment("A")
      for user in Int64(1)...3 { try await stores.update(user, assign: [assignment("A")], createUser: true) }
      _ = try await stores.segments.delete(.slug(Slug("A")), by: stores.caller)
      let migrator = Migrator(pool: stores.pool)
      try await migrator.down(to: 1)
      #expect(try await stores.members(segment).isEmpty)
      try await migrator.up()
      #expect(try await stores.log(AuditFilter(causes: [.segmentDeleted])).count == 3)
    }
  }
}
