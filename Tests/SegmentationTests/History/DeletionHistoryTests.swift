import Postgres
import Testing

@testable import Segmentation

@Suite struct `History of deletions` {
  /// What is told of one instant.
  private struct Told: Hashable, Sendable {
    let slugs: [[Slug]]
    let memberships: [[Membership]]
    let listed: [Membership]?
  }

  /// The members are deprived in chunks behind the call; what was at an instant is told alike before, meanwhile and behind.
  @Test func `the past is the same before, during and after the deprivation of the members`() async throws {
    try await withStores { stores in
      try await stores.users(1...1500)
      let segment = try await stores.segment("A", outreach: 1)
      try await stores.segment("B", outreach: 1)
      try await stores.update(7, remove: ["A"])
      try await stores.update(7, assign: [assignment("A", anHour)])
      try await stores.lapse(7, "A")
      let before = try await History.clock(stores)
      _ = try await stores.segments.delete(.id(segment.id), by: stores.caller)
      let deleted = try await stores.sql("SELECT deleted_at FROM segmentd.deletions").timestamp(0, 0)
      let instants = [
        before, Timestamp(microseconds: deleted.microseconds - 1), deleted, try await History.clock(stores),
      ]
      let atOnce = try await Self.told(stores, segment, at: instants)
      #expect(atOnce.map { $0.listed?.count } == [1499, 1499, nil, nil])
      #expect(atOnce.map { $0.slugs[0].map(\.text) } == [["A", "B"], ["A", "B"], ["B"], ["B"]])
      #expect(atOnce.allSatisfy { $0.slugs[1].map(\.text) == ["B"] }, "its time was up before")
      #expect(try await stores.rollouts.turn())
      let left = try await stores.members(segment)
      #expect(left.count == 500, "half way")
      #expect(try await Self.told(stores, segment, at: instants) == atOnce)
      // Its slug means another one from now on.
      try await stores.segment("A")
      try await stores.rollouts.drain()
      #expect(try await stores.members(segment).isEmpty)
      #expect(try await Self.told(stores, segment, at: instants) == atOnce)
    }
  }

  private static func told(
    _ stores: Stores, _ segment: Segment, at instants: [Timestamp]
  ) async throws -> [Told] {
    var told: [Told] = []
    let users = try [1, 7, 1500].map { try UserID($0) }
    for instant in instants {
      var listed: [Membership]?
      if let found = try await stores.history.lookUp(.id(segment.id), at: instant, by: stores.caller),
        found.lived(at: instant)
      {
        var members: [Membership] = []
        try await stores.history.members(
          of: found.segment, at: instant, after: 0, limit: 10_000, batch: 100, by: stores.caller
        ) { members += $0 }
        listed = members
      }
      told.append(
        Told(
          slugs: try await stores.history.segments(of: users, at: instant, by: stores.caller),
          memberships: try await stores.history.memberships(of: users, at: instant, by: stores.caller),
          listed: listed))
    }
    return told
  }
}
