import Testing

@testable import Segmentation

@Suite struct `Sweeping` {
  @Test func `each lapsed membership ends once, at the promised instant, however many sweep`() async throws {
    var settings = SegmentationSettings()
    settings.sweepChunk = 7
    try await withStores(settings: settings) { stores in
      try await stores.segment("A")
      try await stores.segment("B")
      for number in 1...40 {
        try await stores.update(
          Int64(number), assign: [assignment("A", anHour), assignment("B")], createUser: true)
        if number != 40 { try await stores.lapse(Int64(number), "A") }
      }
      let promised = try await stores.log().filter { $0.slug.text == "A" }.map { "\($0.user) \($0.expiresAt as Any)" }
      let ended = try await withThrowingTaskGroup(of: Int64.self) { group in
        for _ in 0..<4 { group.addTask(executorPreference: testLoop) { try await stores.sweeper.sweep() } }
        return try await group.reduce(0, +)
      }
      // Who finds another one sweeping leaves it to that one, so whoever is last may find some left.
      let rest = try await stores.sweeper.sweep()
      #expect(ended + rest == 39)
      let ends = try await stores.log().filter { $0.cause == .expiry }
      #expect(Set(ends.map { "\($0.user) \($0.effectiveAt as Any)" }).count == 39)
      #expect(ends.allSatisfy { $0.effectiveAt == $0.expiresAt && $0.effectiveAt <= $0.recordedAt })
      #expect(promised.count == 40)
    }
  }

  @Test func `a membership that was renewed in time is left alone`() async throws {
    try await withStores { stores in
      try await stores.segment("A")
      try await stores.update(1, assign: [assignment("A", anHour)], createUser: true)
      #expect(try await stores.sweeper.sweep() == 0)
      #expect(try await stores.slugs(of: 1) == ["A"])
    }
  }
  @Test func `it rests until the next expiry, within bounds`() async throws {
    try await withStores { stores in
      try await stores.segment("A")
      let interval = Duration.seconds(10)
      #expect(await stores.sweeper.untilNext(interval) == interval, "there is none")
      try await stores.update(1, assign: [assignment("A", anHour)], createUser: true)
      #expect(await stores.sweeper.untilNext(interval) == interval)
      try await stores.update(2, assign: [assignment("A", .after(microseconds: 500_000_000))], createUser: true)
      let rest = await stores.sweeper.untilNext(.seconds(1000))
      #expect(rest > .seconds(100) && rest <= .seconds(500))
      #expect(await stores.sweeper.untilNext(.seconds(10_000)) == .seconds(1000))
    }
  }
}
