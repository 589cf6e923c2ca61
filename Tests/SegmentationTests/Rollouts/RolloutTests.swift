import Postgres
import Testing

@testable import Segmentation

extension Stores {
  /// Makes users known, quickly.
  func users(_ range: ClosedRange<Int64>) async throws {
    let session = memberships.beginImport(ImportOptions(createUsers: true), by: caller)
    try await session.add(range.map { ImportRow(user: $0, segment: "") })
    _ = try await session.finish()
  }

  /// The members of a segment, by the table.
  func members(_ segment: Segment) async throws -> Set<Int64> {
    let result = try await sql(
      "SELECT user_id FROM segmentd.memberships WHERE segment_id = $1", [.int64(segment.id.number)])
    return Set(try (0..<result.rowCount).map { try result.int64($0, 0) })
  }

  func covered(_ range: ClosedRange<Int64>, _ outreach: Double, in segment: Segment) throws -> Set<Int64> {
    Set(try range.filter { try Outreach(outreach).covers(Bucket(of: UserID($0), in: segment.id)) })
  }
}

@Suite struct `Rollouts` {
  private let range: ClosedRange<Int64> = 1...400

  @Test func `raising keeps every earlier member, and lowering releases whom outreach brought in`() async throws {
    try await withStores { stores in
      try await stores.users(range)
      let segment = try await stores.segment("A", outreach: 0.4)
      let first = try stores.covered(range, 0.4, in: segment)
      #expect(try await stores.members(segment) == first)
      let byHand = try #require(range.first { !first.contains($0) })
      try await stores.update(byHand, assign: [assignment("A")])
      let raised = try #require(try await stores.reach("A", 0.6))
      let second = try stores.covered(range, 0.6, in: segment)
      #expect(try await stores.members(segment) == second.union([byHand]) && second.isSuperset(of: first))
      #expect(raised.state == .done && raised.usersTotal == 400 && raised.usersDone == 400 && raised.released == 0)
      #expect(raised.assigned == second.subtracting([byHand]).count - first.count)
      let lowered = try #require(try await stores.reach("A", 0.1))
      let third = try stores.covered(range, 0.1, in: segment)
      #expect(try await stores.members(segment) == third.union([byHand]))
      #expect(lowered.released == second.subtracting(third).subtracting([byHand]).count && lowered.assigned == 0)
      #expect(try await stores.log().allSatisfy { $0.cause == .outreach || $0.user.number == byHand })
    }
  }

  @Test func `whom somebody took out stays out, whatever outreach does`() async throws {
    try await withStores { stores in
      try await stores.users(range)
      let segment = try await stores.segment("A", outreach: 0.5)
      let user = try #require(try stores.covered(range, 0.1, in: segment).first)
      try await stores.update(user, remove: ["A"])
      for outreach in [0.7, 0.2, 1] {
        try await stores.reach("A", outreach)
        #expect(try await stores.members(segment) == stores.covered(range, outreach, in: segment).subtracting([user]))
      }
    }
  }

  @Test func `who became known behind the change and was taken out stays out when the rollout comes by`() async throws {
    try await withStores { stores in
      try await stores.users(1...10)
      let created = try await stores.segments.create(
        Slug("A"), description: SegmentDescription(""), outreach: Outreach(1), by: stores.caller)
      try await stores.users(5...15)
      #expect(try await stores.members(created.segment) == Set(11...15))
      try await stores.update(12, remove: ["A"])
      try await stores.rollouts.drain()
      #expect(try await stores.members(created.segment) == Set(1...15).subtracting([12]))
      #expect(try await stores.story().count { $0.hasPrefix("12 A assign") } == 1)
    }
  }

  @Test func `whom a replaced change had reached and somebody took out stays out`() async throws {
    try await withStores { stores in
      try await stores.users(1...2000)
      let created = try await stores.segments.create(
        Slug("A"), description: SegmentDescription(""), outreach: Outreach(0.5), by: stores.caller)
      let segment = created.segment
      // How many there are, and the first thousand; then some become known.
      for _ in 0..<2 { #expect(try await stores.rollouts.turn()) }
      try await stores.users(2001...2100)
      let reached = try stores.covered(1...1000, 0.5, in: segment).union(
        stores.covered(2001...2100, 0.5, in: segment))
      #expect(try await stores.members(segment) == reached)
      let taken = Set(reached.sorted().prefix(3) + reached.sorted().suffix(3))
      for user in taken { try await stores.update(user, remove: ["A"]) }
      // Twice, the second time before the first has begun.
      for outreach in [0.6, 0.7] {
        let update = SegmentUpdate(outreach: try Outreach(outreach))
        _ = try await stores.segments.update(.slug(Slug("A")), update, by: stores.caller)
      }
      try await stores.rollouts.drain()
      let covered = try stores.covered(1...2100, 0.7, in: segment)
      #expect(try await stores.members(segment) == covered.subtracting(taken))
      // A lower one forgets it, as one that is finished does.
      try await stores.reach("A", 0)
      try await stores.reach("A", 0.7)
      #expect(try await stores.members(segment) == covered)
    }
  }

  @Test func `what is there by other means is kept as it is, or adopted`() async throws {
    try await withStores { stores in
      try await stores.users(1...3)
      try await stores.segment("A")
      try await stores.update(1, assign: [assignment("A", anHour)])
      try await stores.update(2, assign: [assignment("A")])
      try await stores.reach("A", 1)
      #expect(try await stores.log().map(\.user.number) == [1, 2, 3])
      try await stores.reach("A", 0.999999)
      try await stores.reach("A", 1, present: .adopt)
      let held = try await stores.memberships.memberships(of: [UserID(1), UserID(2)], by: stores.caller).flatMap { $0 }
      #expect(held.map(\.source) == [.outreach, .outreach] && held.map(\.expiresAt) == [nil, nil])
      #expect(try await stores.story().suffix(2) == ["1 A renew outreach", "2 A renew outreach"])
      let released = try await stores.reach("A", 0)
      #expect(released?.released == 3)
    }
  }

  @Test func `a lower outreach may keep its members, and holds for new users`() async throws {
    try await withStores { stores in
      try await stores.users(1...100)
      let segment = try await stores.segment("A", outreach: 1)
      let lowered = try await stores.reach("A", 0.1, release: .keep)
      #expect(lowered?.state == .done && lowered?.released == 0)
      try await stores.users(101...200)
      let expected = try stores.covered(101...200, 0.1, in: segment).union(1...100)
      #expect(try await stores.members(segment) == expected)
    }
  }

  @Test func `a membership that has expired unswept ends as such before outreach gives it again`() async throws {
    try await withStores { stores in
      try await stores.users(1...2)
      try await stores.segment("A")
      try await stores.update(1, assign: [assignment("A", anHour)])
      try await stores.lapse(1, "A")
      try await stores.reach("A", 1)
      #expect(
        try await stores.story() == [
          "1 A assign request", "1 A deprive expiry", "1 A assign outreach", "2 A assign outreach",
        ])
      #expect(try await stores.memberships.memberships(of: UserID(1), by: stores.caller).first?.expiresAt == nil)
    }
  }

  @Test func `a later change replaces one that is on its way`() async throws {
    try await withStores { stores in
      let range: ClosedRange<Int64> = 1...5000
      try await stores.users(range)
      let creation = try await stores.segments.create(
        Slug("A"), description: SegmentDescription(""), outreach: Outreach(0.5), by: stores.caller)
      let segment = creation.segment
      // How many there are, and the first thousand.
      for _ in 0..<2 { #expect(try await stores.rollouts.turn()) }
      let running = try #require(try await stores.segments.rollout(of: segment.id, deadline: nil))
      #expect(running.state == .running && running.usersTotal == 5000 && running.usersDone == 1000)
      let full = try await stores.segments.get(.id(segment.id), full: true, by: stores.caller)
      #expect(full.rollout == running && full.memberCount == running.assigned)
      for outreach in [0.2, 0.9, 0.6] {
        let update = SegmentUpdate(outreach: try Outreach(outreach))
        let changed = try await stores.segments.update(.slug(Slug("A")), update, by: stores.caller)
        #expect(changed.rollout?.state == .pending)
        for _ in 0..<2 { #expect(try await stores.rollouts.turn()) }
      }
      try await stores.rollouts.drain()
      #expect(try await stores.members(segment) == stores.covered(range, 0.6, in: segment))
      let states = try await stores.sql("SELECT state, count(*) FROM segmentd.rollouts GROUP BY 1 ORDER BY 1")
      #expect(try (0..<2).map { try states.int64($0, 1) } == [1, 3])
      #expect(try await stores.segments.get(.id(segment.id), full: true, by: stores.caller).rollout == nil)
    }
  }

  @Test func `a chunk never compares each member with each, whatever the statistics say`() async throws {
    try await withStores { stores in
      try await stores.users(1...2000)
      for slug in ["A", "B"] { try await stores.segment(slug, outreach: 1) }
      try await stores.sql("ANALYZE segmentd.memberships")
      let segment = try await stores.segment("C", outreach: 1)
      let parameters: [Parameter] = [
        .int64(segment.id.number), .int64(0), .int64(2000), .int64(1000), .int32(100_000), .int32(100_000),
        .bool(false), .bool(true), .text("C"), .text(""), .null, .int64(0), .timestamp(segment.createdAt),
      ]
      let plan = try await stores.pool.transaction { connection in
        _ = try await connection.query(RolloutSQL.settings)
        let explain = Statement("test_explain_chunk", "EXPLAIN " + RolloutChunkSQL.members.sql)
        let result = try await connection.query(explain, parameters)
        return try (0..<result.rowCount).map { try result.text($0, 0) }
      }
      #expect(plan.contains { $0.contains("Delete on memberships") })
      #expect(!plan.contains { $0.contains("Join Filter") && $0.contains("member_1.user_id") }, "\(plan)")
    }
  }

  @Test func `a change tells what is to happen, and validating changes nothing`() async throws {
    try await withStores { stores in
      let segment = try await stores.segment("A")
      let update = SegmentUpdate(outreach: try Outreach(0.3))
      let foretold = try await stores.segments.update(
        .id(segment.id), update, validateOnly: true, by: stores.caller)
      #expect(foretold.segment.outreach == (try Outreach(0.3)) && foretold.rollout?.id == 0)
      #expect(try await stores.segments.get(.id(segment.id), by: stores.caller) == segment)
      var caller = stores.caller
      caller.requestID = try RequestID("r")
      let changed = try await stores.segments.update(.id(segment.id), update, etag: segment.etag, by: caller)
      let again = try await stores.segments.update(.id(segment.id), update, etag: segment.etag, by: caller)
      #expect(changed.segment == again.segment && changed.rollout == again.rollout && changed.rollout != nil)
      #expect(changed.segment.etag != segment.etag)
      await #expect(throws: SegmentationError.segmentChanged(.id(segment.id))) {
        try await stores.segments.update(.id(segment.id), update, etag: segment.etag, by: stores.caller)
      }
      let same = try await stores.segments.update(.id(segment.id), update, by: stores.caller)
      #expect(same.rollout == nil && same.segment == changed.segment)
      let renamed = try await stores.segments.update(
        .id(segment.id), SegmentUpdate(description: SegmentDescription("x")), by: stores.caller)
      #expect(renamed.rollout == nil && renamed.segment.description.text == "x")
      await #expect(throws: SegmentationError.segmentNotFound(.slug(try Slug("B")))) {
        try await stores.segments.update(.slug(Slug("B")), update, by: stores.caller)
      }
    }
  }
}

@Suite struct `Chunk size` {
  @Test func `it comes to what takes the time that was asked for, and is halved by collisions`() {
    var size = ChunkSize(target: .milliseconds(50))
    for _ in 0..<10 { size.took(.microseconds(10 * size.rows), rows: size.rows) }
    #expect(size.rows == 5000)
    size.took(.seconds(1), rows: 4999)
    #expect(size.rows == 5000)
    size.collided()
    #expect(size.rows == 2500)
    for _ in 0..<20 { size.took(.seconds(1), rows: size.rows) }
    #expect(size.rows == ChunkSize.smallest)
  }
}
