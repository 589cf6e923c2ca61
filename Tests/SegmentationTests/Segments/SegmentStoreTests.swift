import Postgres
import Testing

@testable import Segmentation

@Suite struct `Segment store` {
  @Test func `a created segment can be read by slug and by id`() async throws {
    try await withStores { stores in
      let created = try await stores.segments.create(
        Slug("A"), description: SegmentDescription("für alle"), outreach: Outreach(0.25), by: stores.caller
      ).segment
      #expect(created.description.text == "für alle" && created.outreach.partsPerMillion == 250_000)
      #expect(try await stores.segments.get(.slug(Slug("A")), by: stores.caller) == created)
      #expect(try await stores.segments.get(.id(created.id), by: stores.caller) == created)
    }
  }

  @Test func `a slug of a living segment is taken, and one of a deleted segment is free`() async throws {
    try await withStores { stores in
      let first = try await stores.segment("A")
      await #expect(throws: SegmentationError.segmentAlreadyExists(try Slug("A"))) { try await stores.segment("A") }
      #expect(try await stores.segments.delete(.slug(Slug("A")), by: stores.caller)?.id == first.id)
      await #expect(throws: SegmentationError.segmentNotFound(.slug(try Slug("A")))) {
        try await stores.segments.get(.slug(Slug("A")), by: stores.caller)
      }
      #expect(try await stores.segment("A").id != first.id)
      await #expect(throws: SegmentationError.segmentNotFound(.id(first.id))) {
        try await stores.segments.get(.id(first.id), by: stores.caller)
      }
    }
  }

  @Test func `pages hold every segment once, in the order of slugs, also when some come and go`() async throws {
    try await withStores { stores in
      for number in 0..<25 { try await stores.segment("S\(100 + number)") }
      try await stores.segment("T")
      var slugs: [String] = []
      var token = ""
      repeat {
        let page = try await stores.segments.list(
          prefix: "S", pageSize: PageSize(10), pageToken: token, by: stores.caller)
        slugs += page.segments.map(\.slug.text)
        token = page.next
        if slugs.count == 10 {
          try await stores.segment("S000")
          try await stores.delete("S105")
        }
      } while !token.isEmpty
      #expect(slugs == (0..<25).map { "S\(100 + $0)" })
      #expect(try await stores.segments.list(pageSize: PageSize(0), by: stores.caller).segments.count == 26)
    }
  }

  @Test func `a page token of another list is refused`() async throws {
    try await withStores { stores in
      for slug in ["A", "B"] { try await stores.segment(slug) }
      let page = try await stores.segments.list(pageSize: PageSize(1), by: stores.caller)
      await #expect(throws: SegmentationError.invalid(field: "page_token", reason: "belongs to another list")) {
        try await stores.segments.list(prefix: "A", pageSize: PageSize(1), pageToken: page.next, by: stores.caller)
      }
    }
  }

  @Test func `outreach brings in exactly the users that the bucket covers, before and after`() async throws {
    try await withStores { stores in
      for number in 1...200 { try await stores.user(Int64(number)) }
      let creation = try await stores.segments.create(
        Slug("HALF"), description: SegmentDescription(""), outreach: Outreach(0.5), by: stores.caller)
      for number in 201...250 { try await stores.user(Int64(number)) }
      try await stores.rollouts.drain()
      for number in 251...300 { try await stores.user(Int64(number)) }
      let covered = try (1...300).filter {
        try Outreach(0.5).covers(Bucket(of: UserID($0), in: creation.segment.id))
      }
      let members = try await stores.sql("SELECT user_id FROM segmentd.memberships ORDER BY 1")
      #expect(try (0..<members.rowCount).map { try members.int64($0, 0) } == covered)
      let rollout = try #require(try await stores.segments.rollout(of: creation.segment.id, deadline: nil))
      #expect(rollout.state == .done && rollout.assigned == covered.filter { $0 <= 200 }.count)
      let full = try await stores.segments.get(.id(creation.segment.id), full: true, by: stores.caller)
      #expect(full.memberCount == Int64(covered.count))
      #expect(try await stores.log().allSatisfy { $0.cause == .outreach && $0.action == .assign })
    }
  }

  @Test func `deleting deprives every member once and tells an unswept expiry as such`() async throws {
    try await withStores { stores in
      try await stores.segment("A")
      for number in 1...3 {
        try await stores.update(Int64(number), assign: [assignment("A", anHour)], createUser: true)
      }
      try await stores.lapse(2, "A")
      try await stores.delete("A")
      let ends = try await stores.log().filter { $0.action == .deprive }
      #expect(Set(ends.map { "\($0.user) \($0.cause)" }) == ["1 segmentDeleted", "2 expiry", "3 segmentDeleted"])
      let expired = try #require(ends.first { $0.cause == .expiry })
      #expect(expired.effectiveAt == expired.expiresAt)
      #expect(try await stores.slugs(of: 1) == [])
    }
  }

  @Test func `an etag of an older state refuses to delete`() async throws {
    try await withStores { stores in
      let segment = try await stores.segment("A")
      await #expect(throws: SegmentationError.segmentChanged(.id(segment.id))) {
        try await stores.segments.delete(.id(segment.id), etag: "old", by: stores.caller)
      }
      _ = try await stores.segments.delete(.id(segment.id), etag: segment.etag, by: stores.caller)
      #expect(try await stores.segments.delete(.id(segment.id), allowMissing: true, by: stores.caller) == nil)
    }
  }

  @Test func `validating tells what would happen and changes nothing`() async throws {
    try await withStores { stores in
      let slug = try Slug("A")
      let creation = try await stores.segments.create(
        slug, description: SegmentDescription(""), outreach: Outreach(0.1), validateOnly: true, by: stores.caller)
      #expect(creation.segment.slug == slug)
      let segment = try await stores.segment("A")
      #expect(
        try await stores.segments.delete(.slug(slug), validateOnly: true, by: stores.caller)?.id == segment.id)
      #expect(try await stores.segments.get(.slug(slug), by: stores.caller) == segment)
    }
  }

  @Test func `the same request again gives the same answer, and another one under its id is refused`() async throws {
    try await withStores { stores in
      var caller = stores.caller
      caller.requestID = try RequestID("r1")
      func create(_ slug: String) async throws -> Segment {
        try await stores.segments.create(
          Slug(slug), description: SegmentDescription("x"), outreach: .none, by: caller
        ).segment
      }
      let first = try await create("A")
      #expect(try await create("A") == first)
      await #expect(throws: SegmentationError.requestIDReused(try RequestID("r1"))) { try await create("B") }
      #expect(try await stores.segments.list(pageSize: PageSize(0), by: stores.caller).segments.count == 1)
    }
  }
}
