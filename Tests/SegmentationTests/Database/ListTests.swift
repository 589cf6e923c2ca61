import Testing

@testable import Segmentation

@Suite struct `Lists in chunks` {
  /// All chunks of a list.
  private static func all<Item: Sendable>(
    by size: Int, _ key: (Item) -> Int64, _ read: (Int64, Int) async throws -> KeysetChunk<Item>
  ) async throws -> [Item] {
    var items: [Item] = []
    while true {
      let chunk = try await read(items.last.map(key) ?? 0, size)
      #expect(chunk.items.isEmpty == (chunk.readAt == nil))
      items += chunk.items
      if chunk.items.count < size { return items }
    }
  }

  @Test func `chunks of any size hold every user once, in order`() async throws {
    try await withStores { stores in
      for number: Int64 in [5, 3, 11, 7, 2] { try await stores.user(number) }
      for size in [1, 2, 5, 6] {
        let users = try await Self.all(by: size, \.id.number) {
          try await stores.users.list(after: $0, limit: $1, by: stores.caller)
        }
        #expect(users.map(\.id.number) == [2, 3, 5, 7, 11])
      }
    }
  }

  @Test func `chunks of any size hold every member of that segment once, none whose time is up`() async throws {
    try await withStores { stores in
      let a = try await stores.segment("A")
      try await stores.segment("B")
      for number in 1...20 {
        let slug = number % 4 == 0 ? "B" : "A"
        try await stores.update(
          Int64(number), assign: [assignment(slug, number % 2 == 0 ? anHour : .never)], createUser: true)
      }
      try await stores.lapse(2, "A")
      for size in [1, 7, 14, 15] {
        let members = try await Self.all(by: size, \.user.number) {
          try await stores.segments.members(of: a, after: $0, limit: $1, by: stores.caller)
        }
        #expect(members.map(\.user.number) == [1, 3, 5, 6, 7, 9, 10, 11, 13, 14, 15, 17, 18, 19])
        #expect(members.allSatisfy { ($0.expiresAt != nil) == ($0.user.number % 2 == 0) && $0.slug.text == "A" })
      }
      #expect(try await stores.sweeper.sweep() == 1)
    }
  }

  @Test func `users who come and go meanwhile change nothing for the others`() async throws {
    try await withStores { stores in
      for number in stride(from: 10, through: 100, by: 10) { try await stores.user(Int64(number)) }
      var seen: [Int64] = []
      while true {
        let chunk = try await stores.users.list(after: seen.last ?? 0, limit: 3, by: stores.caller)
        seen += chunk.items.map(\.id.number)
        if chunk.items.count < 3 { break }
        try await stores.user((seen.last ?? 0) - 1)
        try await stores.user((seen.last ?? 0) + 1)
      }
      #expect(seen.count == Set(seen).count && seen == seen.sorted())
      #expect(Set(seen).isSuperset(of: stride(from: 10, through: 100, by: 10)))
    }
  }
}
