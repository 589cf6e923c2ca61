import Testing

@testable import Segmentation

@Suite struct `User store` {
  @Test func `a user is created once`() async throws {
    try await withStores { stores in
      let first = try await stores.users.create(UserID(7), by: stores.caller)
      #expect(first.isNew && first.segments.isEmpty && first.token == nil)
      await #expect(throws: SegmentationError.userAlreadyExists(try UserID(7))) {
        try await stores.users.create(UserID(7), by: stores.caller)
      }
      let again = try await stores.users.create(UserID(7), allowExisting: true, by: stores.caller)
      #expect(!again.isNew && again.user == first.user)
      #expect(try await stores.users.get(UserID(7), by: stores.caller) == first.user)
      await #expect(throws: SegmentationError.userNotFound(try UserID(8))) {
        try await stores.users.get(UserID(8), by: stores.caller)
      }
    }
  }

  @Test func `a new user comes into every segment whose outreach covers it, and the log tells`() async throws {
    try await withStores { stores in
      for slug in ["B", "A"] { try await stores.segment(slug, outreach: 1) }
      try await stores.segment("NONE")
      let creation = try await stores.users.create(UserID(7), by: stores.caller)
      #expect(creation.segments.map(\.text) == ["A", "B"])
      #expect(try await stores.slugs(of: 7) == ["A", "B"])
      let log = try await stores.log()
      #expect(log.map(\.actor) == ["tester", "tester"])
      #expect(creation.token?.position == log.last?.position)
    }
  }

  @Test func `validating and repeating a creation`() async throws {
    try await withStores { stores in
      try await stores.segment("A", outreach: 1)
      let foretold = try await stores.users.create(UserID(7), validateOnly: true, by: stores.caller)
      #expect(foretold.isNew && foretold.segments.map(\.text) == ["A"] && foretold.token == nil)
      #expect(try await stores.log().isEmpty)
      var caller = stores.caller
      caller.requestID = try RequestID("r")
      let first = try await stores.users.create(UserID(7), by: caller)
      let again = try await stores.users.create(UserID(7), by: caller)
      #expect(again.isNew && again.user == first.user && again.segments == first.segments)
      #expect(again.token == first.token && first.token != nil)
    }
  }

  @Test func `users who come while a segment with an outreach is created are all enrolled`() async throws {
    try await withStores(connections: 8) { stores in
      try await withThrowingTaskGroup(of: Void.self) { group in
        for number in 1...60 {
          group.addTask(executorPreference: testLoop) { try await stores.user(Int64(number)) }
          if number % 20 == 0 {
            group.addTask(executorPreference: testLoop) { try await stores.segment("S\(number)", outreach: 1) }
          }
        }
        try await group.waitForAll()
      }
      let counts = try await stores.sql("SELECT count(*) FROM segmentd.memberships GROUP BY segment_id")
      #expect(try (0..<counts.rowCount).map { try counts.int64($0, 0) } == [60, 60, 60])
    }
  }
}
