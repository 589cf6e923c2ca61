import Postgres
import Testing

@testable import Segmentation

@Suite struct `Membership updates` {
  @Test func `assigning and removing in one call is told in the log`() async throws {
    try await withStores { stores in
      for slug in ["A", "B", "C"] { try await stores.segment(slug) }
      try await stores.user(1)
      try await stores.update(1, assign: [assignment("A"), assignment("B", anHour)])
      let result = try await stores.update(1, assign: [assignment("C")], remove: ["A"], request: "r1")
      #expect(result.outcomes.map(\.outcome) == [.assigned, .removed])
      #expect(try await stores.slugs(of: 1) == ["B", "C"])
      #expect(
        try await stores.story() == [
          "1 A assign request", "1 B assign request", "1 C assign request", "1 A deprive request",
        ])
      let last = try #require(try await stores.log().last)
      #expect(last.actor == "tester" && last.requestID?.description == "r1" && last.position == result.token?.position)
    }
  }

  @Test func `a lifetime that is shorter than writing it takes is written all the same`() async throws {
    try await withStores { stores in
      try await stores.segment("A")
      let result = try await stores.update(
        1, assign: [assignment("A", .after(microseconds: 1))], createUser: true)
      #expect(result.outcomes.map(\.outcome) == [.assigned])
      let record = try #require(try await stores.log().first)
      #expect(record.expiresAt.map { $0 > record.effectiveAt } == true)
    }
  }

  @Test func `one refused segment leaves everything as it was`() async throws {
    try await withStores { stores in
      try await stores.segment("A")
      try await stores.user(1)
      await #expect(throws: SegmentationError.segmentNotFound(.slug(try Slug("NOPE")))) {
        try await stores.update(1, assign: [assignment("A"), assignment("NOPE")])
      }
      #expect(try await stores.slugs(of: 1) == [])
      #expect(try await stores.log().isEmpty)
    }
  }

  @Test func `a membership that lapsed counts as absent, and its end comes before the new beginning`() async throws {
    try await withStores { stores in
      try await stores.segment("A")
      try await stores.user(1)
      try await stores.update(1, assign: [assignment("A", anHour)])
      try await stores.lapse(1, "A")
      #expect(try await stores.slugs(of: 1) == [])
      await #expect(throws: SegmentationError.membershipNotFound(try UserID(1), [.slug(try Slug("A"))])) {
        try await stores.update(1, remove: ["A"])
      }
      try await stores.update(1, assign: [assignment("A")])
      #expect(try await stores.slugs(of: 1) == ["A"])
      #expect(try await stores.story() == ["1 A assign request", "1 A deprive expiry", "1 A assign request"])
      let end = try await stores.log()[1]
      #expect(end.effectiveAt == end.expiresAt && end.actor == "")
    }
  }

  @Test func `renewing changes the expiry, keeps the beginning, and says nothing twice`() async throws {
    try await withStores { stores in
      try await stores.segment("A")
      try await stores.user(1)
      try await stores.update(1, assign: [assignment("A", anHour)])
      let user = try UserID(1)
      let before = try #require(try await stores.memberships.memberships(of: user, by: stores.caller).first)
      let kept = try await stores.update(1, assign: [assignment("A")], present: .keep)
      #expect(kept.outcomes[0].outcome == .kept && kept.outcomes[0].expiresAt == before.expiresAt && kept.token == nil)
      let renewed = try await stores.update(1, assign: [assignment("A")], present: .replaceExpiry)
      #expect(renewed.outcomes[0].outcome == .renewed)
      #expect(
        try await stores.update(1, assign: [assignment("A")], present: .replaceExpiry).outcomes[0].outcome == .kept)
      let after = try #require(try await stores.memberships.memberships(of: user, by: stores.caller).first)
      #expect(after.assignedAt == before.assignedAt && after.expiresAt == nil && after.source == .request)
      #expect(try await stores.story() == ["1 A assign request", "1 A renew request"])
    }
  }

  @Test func `an expiry in the past by the database's clock is refused`() async throws {
    try await withStores { stores in
      try await stores.segment("A")
      try await stores.user(1)
      await #expect(throws: SegmentationError.invalid(field: "assign[0].expires_at", reason: "must be in the future")) {
        try await stores.update(1, assign: [assignment("A", .at(Timestamp(microseconds: 1_000_000)))])
      }
      await #expect(throws: SegmentationError.invalid(field: "assign[0].ttl", reason: "must be positive")) {
        try await stores.update(1, assign: [assignment("A", .after(microseconds: 0))])
      }
    }
  }

  @Test func `the same request again gives the same answer and changes nothing`() async throws {
    try await withStores { stores in
      try await stores.segment("A")
      try await stores.user(1)
      let first = try await stores.update(1, assign: [assignment("A", anHour)], request: "r")
      let again = try await stores.update(1, assign: [assignment("A", anHour)], request: "r")
      #expect(again.outcomes == first.outcomes && again.token == first.token && first.token != nil)
      await #expect(throws: SegmentationError.requestIDReused(try RequestID("r"))) {
        try await stores.update(1, remove: ["A"], request: "r")
      }
      let nothing = try await stores.update(1, assign: [assignment("A")], present: .keep, request: "n")
      try await stores.update(1, remove: ["A"])
      let nothingAgain = try await stores.update(1, assign: [assignment("A")], present: .keep, request: "n")
      #expect(nothingAgain.outcomes == nothing.outcomes && nothingAgain.token == nil)
      #expect(try await stores.slugs(of: 1) == [])
    }
  }

  @Test func `a request's answer is forgotten after its time`() async throws {
    var settings = SegmentationSettings()
    settings.requestRetention = .zero
    try await withStores(settings: settings) { stores in
      try await stores.segment("A")
      try await stores.user(1)
      try await stores.update(1, assign: [assignment("A")], request: "r")
      try await stores.sweeper.sweep()
      await #expect(throws: SegmentationError.membershipAlreadyExists(try UserID(1), [.slug(try Slug("A"))])) {
        try await stores.update(1, assign: [assignment("A")], request: "r")
      }
    }
  }

  @Test func `validating tells what would happen and changes nothing`() async throws {
    try await withStores { stores in
      try await stores.segment("A")
      let foretold = try await stores.update(
        1, assign: [assignment("A")], createUser: true, validateOnly: true, request: "r")
      #expect(foretold.outcomes.map(\.outcome) == [.assigned] && foretold.userCreated && foretold.token == nil)
      await #expect(throws: SegmentationError.userNotFound(try UserID(1))) {
        try await stores.users.get(UserID(1), by: stores.caller)
      }
      let real = try await stores.update(1, assign: [assignment("A")], createUser: true, request: "r")
      #expect(real.token != nil)
    }
  }

  @Test func `a user that a call creates comes into outreach segments, except those the call names`() async throws {
    try await withStores { stores in
      for slug in ["A", "B", "C"] { try await stores.segment(slug, outreach: 1) }
      let result = try await stores.update(
        1, assign: [assignment("A", anHour)], remove: ["B"], missing: .ignore, createUser: true)
      #expect(result.userCreated && result.outcomes.map(\.outcome) == [.assigned, .notPresent])
      #expect(try await stores.slugs(of: 1) == ["A", "C"])
      #expect(try await stores.story() == ["1 C assign outreach", "1 A assign request"])
    }
  }

  @Test func `too many segments in one call are refused`() async throws {
    var settings = SegmentationSettings()
    settings.maximumItemsPerUpdate = 2
    try await withStores(settings: settings) { stores in
      await #expect(throws: SegmentationError.self) {
        try await stores.update(1, assign: [assignment("A"), assignment("B")], remove: ["C"])
      }
    }
  }
}
