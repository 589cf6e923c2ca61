import Postgres
import Testing

@testable import Segmentation

extension Explaining {
  @Test func `a user that a rollout has not come to is waiting, and only while it goes on`() async throws {
    try await withStores { stores in
      try await stores.users(1...2000)
      let idle = try await stores.segment("A")
      let before = try await History.clock(stores)
      let update = SegmentUpdate(outreach: try Outreach(1))
      _ = try await stores.segments.update(.id(idle.id), update, by: stores.caller)
      let pending = try await Self.explain(stores, 2000)
      #expect(pending.reason == .rolloutPending && !pending.isMember && pending.records.isEmpty)
      #expect(try await Self.explain(stores, 2001).reason == .neverAssigned, "nobody knows that user")
      // How many there are, and the first thousand.
      for _ in 0..<2 { #expect(try await stores.rollouts.turn()) }
      #expect(try await Self.explain(stores, 1).reason == .outreach)
      #expect(try await Self.explain(stores, 2000).reason == .rolloutPending)
      try await stores.rollouts.drain()
      #expect(try await Self.explain(stores, 2000).reason == .outreach)
      let past = try await Self.explain(stores, 2000, at: pending.instant)
      #expect(past.reason == .rolloutPending && past.outreach.partsPerMillion == 1_000_000)
      let early = try await Self.explain(stores, 2000, at: before)
      #expect(early.reason == .neverAssigned && early.outreach == .none)
    }
  }

  @Test func `whom the call that made it known left out is not waiting`() async throws {
    try await withStores { stores in
      try await stores.segment("A", outreach: 1)
      try await stores.update(1, remove: ["A"], missing: .ignore, createUser: true)
      let explained = try await Self.explain(stores)
      #expect(explained.reason == .neverAssigned && explained.outreach.covers(explained.bucket))
    }
  }

  @Test func `whom outreach took over is in by outreach since then, and let go by it`() async throws {
    try await withStores { stores in
      try await stores.segment("A")
      try await stores.update(1, assign: [assignment("A", anHour)], createUser: true)
      let before = try await Self.explain(stores)
      #expect(before.reason == .assigned)
      try await stores.reach("A", 1, present: .adopt)
      let adopted = try await Self.explain(stores)
      #expect(adopted.reason == .outreach && adopted.records.map(\.action) == [.assign, .renew])
      #expect(adopted.records.map(\.cause) == [.request, .outreach])
      #expect(adopted.membership?.source == .outreach && adopted.membership?.expiresAt == nil)
      #expect(adopted.membership?.assignedAt == before.membership?.assignedAt)
      let past = try await Self.explain(stores, at: before.instant)
      #expect(past.reason == .assigned && past.membership == before.membership)
      try await stores.reach("A", 0)
      let released = try await Self.explain(stores)
      #expect(released.reason == .outreachLowered && released.records.map(\.action) == [.assign, .renew, .deprive])
      #expect(try await Self.explain(stores, at: adopted.instant).membership == adopted.membership)
    }
  }
}
