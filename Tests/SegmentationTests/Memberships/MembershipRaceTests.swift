import Synchronization
import TestSupport
import Testing

@testable import Segmentation

@Suite struct `Membership races` {
  @Test func `of many who assign one membership one wins and the log has one record`() async throws {
    try await withStores(connections: 8) { stores in
      try await stores.segment("A")
      try await stores.user(1)
      let others = (0..<4).map { _ in Stores(stores.pool, settings: stores.settings) }
      let wins = try await withThrowingTaskGroup(of: Bool.self) { group in
        for turn in 0..<40 {
          group.addTask(executorPreference: testLoop) {
            do {
              try await others[turn % 4].update(1, assign: [assignment("A")])
              return true
            } catch SegmentationError.membershipAlreadyExists { return false }
          }
        }
        return try await group.reduce(0) { $0 + ($1 ? 1 : 0) }
      }
      #expect(wins == 1)
      #expect(try await stores.story() == ["1 A assign request"])
    }
  }

  /// Each call takes the user out of the segment that the other one puts it into, where it is not yet.
  @Test(arguments: ["absent", "expired", "kept", "unused"])
  func `what a call leaves as it is stays so until its changes are made`(_ state: String) async throws {
    try await withStores(connections: 8) { stores in
      let others = (0..<2).map { _ in Stores(stores.pool, settings: stores.settings) }
      for user in Int64(1)...120 {
        let slugs = ["A\(user)", "B\(user)"]
        for slug in slugs { try await stores.segment(slug) }
        try await stores.user(user)
        for slug in slugs where state == "expired" {
          try await stores.update(user, assign: [assignment(slug, anHour)])
          try await stores.lapse(user, slug)
        }
        // One of two is to stay.
        if state == "kept" { try await stores.update(user, assign: slugs.map { try assignment($0) }) }
        if state == "unused" { try await stores.delete(slugs[1]) }
        let outcomes = try await withThrowingTaskGroup(of: [MembershipOutcome].self) { group in
          for turn in 0..<2 {
            let (own, other) = (slugs[turn], slugs[1 - turn])
            group.addTask(executorPreference: testLoop) {
              if state == "unused", turn == 1 { try await others[1].segment(own) }
              let result =
                state == "kept"
                ? try await others[turn].update(
                  user, assign: [assignment(own)], remove: [other], present: .keep, missing: .ignore)
                : try await others[turn].update(user, assign: [assignment(own)], remove: [other], missing: .ignore)
              return result.outcomes.map(\.outcome)
            }
          }
          return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(try await stores.slugs(of: user).count == 1, "user \(user): \(outcomes)")
      }
      let rows = try await stores.sql("SELECT count(*) FROM segmentd.memberships")
      #expect(try rows.int64(0, 0) == 120)
    }
  }

  @Test func `two copies of a request that race change things once and get one answer`() async throws {
    try await withStores(connections: 8) { stores in
      try await stores.segment("A")
      try await stores.user(1)
      let others = (0..<4).map { _ in Stores(stores.pool, settings: stores.settings) }
      let tokens = try await withThrowingTaskGroup(of: String?.self) { group in
        for turn in 0..<12 {
          group.addTask(executorPreference: testLoop) {
            try await others[turn % 4].update(1, assign: [assignment("A")], request: "r").token?.text
          }
        }
        return try await group.reduce(into: Set<String?>()) { $0.insert($1) }
      }
      #expect(tokens.count == 1 && tokens.first != .some(nil))
      #expect(try await stores.story() == ["1 A assign request"])
    }
  }

  @Test func `an import rejects no row for want of what it may make, whoever deletes that meanwhile`() async throws {
    try await withStores(connections: 8) { stores in
      let others = (0..<4).map { _ in Stores(stores.pool, settings: stores.settings) }
      let rejections = try await withThrowingTaskGroup(of: [ImportRejection].self) { group in
        for other in others {
          group.addTask(executorPreference: testLoop) {
            for _ in 0..<100 {
              for user in Int64(1)...2 {
                _ = try await other.users.delete(UserID(user), allowMissing: true, by: other.caller)
              }
              try await other.delete("A", allowMissing: true)
            }
            return []
          }
        }
        group.addTask(executorPreference: testLoop) {
          var rejections: [ImportRejection] = []
          for _ in 0..<100 {
            let session = stores.memberships.beginImport(
              ImportOptions(createUsers: true, createSegments: true), by: stores.caller)
            try await session.add((1...2).map { ImportRow(user: $0, segment: "A") })
            rejections += try await session.finish().rejections
          }
          return rejections
        }
        return try await group.reduce([], +)
      }
      #expect(rejections.map(\.message) == [])
    }
  }

  @Test func `no membership of a deleted segment stays behind`() async throws {
    try await withStores(connections: 8) { stores in
      let others = (0..<4).map { _ in Stores(stores.pool, settings: stores.settings) }
      for number in 1...8 { try await stores.user(Int64(number)) }
      for round in 0..<10 {
        try await stores.segment("A")
        try await withThrowingTaskGroup(of: Void.self) { group in
          for number in 1...8 {
            group.addTask(executorPreference: testLoop) {
              do {
                try await others[number % 4].update(Int64(number), assign: [assignment("A")])
              } catch SegmentationError.segmentNotFound {}
            }
          }
          group.addTask(executorPreference: testLoop) {
            try await stores.delete("A")
          }
          try await group.waitForAll()
        }
        let left = try await stores.sql("SELECT count(*) FROM segmentd.memberships")
        #expect(try left.int64(0, 0) == 0, "round \(round)")
      }
    }
  }

  /// The order of the log must be that of the changes, also when a transaction that began earlier gets hold of a
  /// membership later.
  @Test func `random changes by many at once are told by the log exactly`() async throws {
    try await withStores(connections: 12) { stores in
      let seed = UInt64.random(in: 0...UInt64.max)
      for slug in ["A", "B", "C"] { try await stores.segment(slug) }
      let others = (0..<8).map { _ in Stores(stores.pool, settings: stores.settings) }
      try await withThrowingTaskGroup(of: Void.self) { group in
        for worker in 0..<8 {
          group.addTask(executorPreference: testLoop) {
            var random = SplitMix(seed: seed &+ UInt64(worker))
            for _ in 0..<60 {
              // Somebody else may have deleted the segment.
              do { try await step(others[worker], &random) } catch SegmentationError.segmentNotFound {}
            }
          }
        }
        try await group.waitForAll()
      }
      #expect(try await differences(stores) == [], "seed \(seed)")
    }
  }

  private func step(_ stores: Stores, _ random: inout SplitMix) async throws {
    let user = Int64.random(in: 1...3, using: &random)
    let slug = ["A", "B", "C"].randomElement(using: &random) ?? "A"
    let expiry: Expiry =
      Bool.random(using: &random) ? .never : .after(microseconds: .random(in: 1_000...30_000, using: &random))
    switch Int.random(in: 0..<10, using: &random) {
    case 0..<4:
      try await stores.update(user, assign: [assignment(slug, expiry)], present: .replaceExpiry, createUser: true)
    case 4..<6: try await stores.update(user, remove: [slug], missing: .ignore, createUser: true)
    case 6..<8:
      let session = stores.memberships.beginImport(
        ImportOptions(createUsers: true, createSegments: true), by: stores.caller)
      try await session.add((1...3).map { ImportRow(user: $0, segment: slug) })
      _ = try await session.finish()
    case 8: try await stores.sweeper.sweep()
    default:
      try await stores.delete(slug, allowMissing: true)
      do { try await stores.segment(slug, outreach: 0.5) } catch SegmentationError.segmentAlreadyExists {}
    }
  }
}
