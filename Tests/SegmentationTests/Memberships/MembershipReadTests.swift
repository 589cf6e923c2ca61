import Testing

@testable import Segmentation

@Suite struct `Membership reads` {
  @Test func `calls that come while a query is on its way are answered by one more`() async throws {
    try await withStores { stores in
      for slug in ["B", "A"] { try await stores.segment(slug) }
      for number in 1...50 {
        try await stores.update(Int64(number), assign: [assignment("A")], createUser: true)
        if number % 2 == 0 { try await stores.update(Int64(number), assign: [assignment("B", anHour)]) }
      }
      let answers = try await withThrowingTaskGroup(of: (Int, [String]).self) { group in
        for number in 1...60 {
          group.addTask(executorPreference: testLoop) { (number, try await stores.slugs(of: Int64(number))) }
        }
        return try await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
      }
      for number in 1...60 {
        #expect(answers[number] == (number > 50 ? [] : number % 2 == 0 ? ["A", "B"] : ["A"]))
      }
    }
  }

  @Test func `many users are answered in the order they were asked for, twice if asked twice`() async throws {
    try await withStores { stores in
      try await stores.segment("A")
      try await stores.update(2, assign: [assignment("A", anHour)], createUser: true)
      let users = try [2, 1, 2].map { try UserID($0) }
      #expect(try await stores.memberships.segments(of: users, by: stores.caller).map(\.count) == [1, 0, 1])
      let full = try await stores.memberships.memberships(of: users, by: stores.caller)
      #expect(full.map(\.count) == [1, 0, 1] && full[0][0].expiresAt != nil && full[0][0].slug.text == "A")
      #expect(try await stores.memberships.segments(of: [], by: stores.caller).isEmpty)
    }
  }

  @Test func `too many users in one call are refused`() async throws {
    try await withStores { stores in
      let users = try (1...1001).map { try UserID($0) }
      await #expect(throws: SegmentationError.invalid(field: "user_ids", reason: "must have at most 1000 entries")) {
        try await stores.memberships.segments(of: users, by: stores.caller)
      }
    }
  }
}
