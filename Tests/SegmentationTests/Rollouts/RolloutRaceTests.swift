import Postgres
import Testing

@testable import Segmentation

@Suite struct `Rollout races` {
  /// Users come, segments are changed and three workers go through the users, all at once.
  @Test func `whoever becomes known while the outreach changes is where it says`() async throws {
    try await withStores(connections: 12) { stores in
      try await stores.users(1...1500)
      let segments = [try await stores.segment("A"), try await stores.segment("B", outreach: 0.5)]
      let others = (0..<6).map { _ in Stores(stores.pool, settings: stores.settings) }
      let figures = try await withThrowingTaskGroup(of: (String, Double)?.self) { group in
        for worker in 0..<3 {
          group.addTask(executorPreference: testLoop) {
            for number in 0..<60 { try await others[worker].user(Int64(2000 + worker * 1000 + number)) }
            try await others[worker].users(Int64(6000 + worker * 1000)...Int64(6999 + worker * 1000))
            return nil
          }
          group.addTask(executorPreference: testLoop) {
            for _ in 0..<40 { _ = try await others[worker + 3].rollouts.turn() }
            return nil
          }
        }
        for slug in ["A", "B"] {
          group.addTask(executorPreference: testLoop) {
            var last = 0.0
            for _ in 0..<8 {
              last = Double(Int.random(in: 0...100)) / 100
              let update = SegmentUpdate(outreach: try Outreach(last))
              _ = try await stores.segments.update(.slug(Slug(slug)), update, by: stores.caller)
            }
            return (slug, last)
          }
        }
        return try await group.reduce(into: [String: Double]()) { result, figure in
          if let figure { result[figure.0] = figure.1 }
        }
      }
      try await stores.rollouts.drain()
      for segment in segments {
        let outreach = try #require(figures[segment.slug.text])
        let known: Set<Int64> = try await Set(
          stores.users.list(after: 0, limit: 100_000, by: stores.caller).items.map(\.id.number))
        let covered = try stores.covered(1...9000, outreach, in: segment).intersection(known)
        #expect(try await stores.members(segment) == covered, "\(segment.slug) \(outreach)")
      }
    }
  }

  @Test func `several workers do every chunk once`() async throws {
    try await withStores(connections: 8) { stores in
      try await stores.users(1...8000)
      let created = try await stores.segments.create(
        Slug("A"), description: SegmentDescription(""), outreach: Outreach(1), by: stores.caller)
      try await withThrowingTaskGroup(of: Void.self) { group in
        for _ in 0..<4 {
          let worker = Stores(stores.pool, settings: stores.settings).rollouts
          group.addTask(executorPreference: testLoop) {
            while try await stores.segments.rollout(of: created.segment.id, deadline: nil)?.isFinished == false {
              try await worker.drain()
            }
          }
        }
        try await group.waitForAll()
      }
      let rollout = try #require(try await stores.segments.rollout(of: created.segment.id, deadline: nil))
      #expect(rollout.state == .done && rollout.usersDone == 8000 && rollout.assigned == 8000)
      let log = try await stores.sql("SELECT count(*), count(DISTINCT user_id) FROM segmentd.audit")
      #expect(try log.int64(0, 0) == 8000 && log.int64(0, 1) == 8000)
    }
  }

  @Test func `what others assign and remove meanwhile is told by the log`() async throws {
    try await withStores(connections: 12) { stores in
      try await stores.users(1...2000)
      try await stores.segment("A")
      let others = (0..<6).map { _ in Stores(stores.pool, settings: stores.settings) }
      try await withThrowingTaskGroup(of: Void.self) { group in
        for worker in 0..<4 {
          group.addTask(executorPreference: testLoop) {
            for _ in 0..<80 {
              let user = Int64.random(in: 1...2000)
              let expiry = Bool.random() ? Expiry.never : .after(microseconds: .random(in: 1000...20_000))
              try await others[worker].update(user, assign: [assignment("A", expiry)], present: .replaceExpiry)
              try await others[worker].update(.random(in: 1...2000), remove: ["A"], missing: .ignore)
              try await others[worker].sweeper.sweep()
            }
          }
        }
        group.addTask(executorPreference: testLoop) {
          for round in 0..<12 {
            let outreach = Double(round % 4) / 3
            try await others[4].reach("A", outreach, present: round % 2 == 0 ? .keep : .adopt)
          }
        }
        try await group.waitForAll()
      }
    }
  }
}
