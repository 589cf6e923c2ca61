import Postgres
import Testing

@testable import Segmentation

@Suite struct `Audit consumers` {
  private func withConsumers(
    _ body: @escaping @Sendable (Stores, AuditConsumers) async throws -> Void
  ) async throws {
    try await withStores { stores in
      try await stores.segment("A")
      try await body(stores, AuditConsumers(pool: stores.pool, installation: stores.installation))
    }
  }

  @Test func `a consumer is known from its first call, and its lag is what it has not acknowledged`() async throws {
    try await withConsumers { stores, consumers in
      let name = try ConsumerName("warehouse")
      var tokens: [AuditToken] = []
      for user in 1...3 {
        let result = try await stores.update(Int64(user), assign: [assignment("A")], createUser: true)
        tokens.append(try #require(result.token))
      }
      let first = try await consumers.acknowledge(name, tokens[0], by: stores.caller)
      #expect(first.token == tokens[0] && first.lagRecords == 2 && first.lagMicroseconds > 0)
      let last = try await consumers.acknowledge(name, tokens[2], by: stores.caller)
      #expect(last.lagRecords == 0 && last.lagMicroseconds == 0)
      // One that is behind changes nothing.
      #expect(try await consumers.acknowledge(name, tokens[1], by: stores.caller).token == tokens[2])
    }
  }

  @Test func `an open stream begins at what was acknowledged, and is counted until it is closed`() async throws {
    try await withConsumers { stores, consumers in
      let name = try ConsumerName("reader")
      let stream = String(repeating: "0f", count: 16)
      #expect(try await consumers.open(name, stream: stream) == nil)
      let result = try await stores.update(1, assign: [assignment("A")], createUser: true)
      let token = try #require(result.token)
      #expect(try await consumers.acknowledge(name, token, by: stores.caller).openStreams == 1)
      #expect(try await consumers.open(name, stream: String(repeating: "1e", count: 16)) == token.position)
      try await consumers.renew(name, stream: stream)
      try await consumers.close(stream: stream)
      #expect(try await consumers.list(size: PageSize(0), by: stores.caller).consumers.map(\.openStreams) == [1])
      try await stores.sql("UPDATE segmentd.audit_streams SET seen_at = seen_at - interval '31 seconds'")
      #expect(try await consumers.list(size: PageSize(0), by: stores.caller).consumers.map(\.openStreams) == [0])
    }
  }

  @Test func `consumers are listed by name, a page at a time, and forgotten`() async throws {
    try await withConsumers { stores, consumers in
      for (number, name) in ["b", "a", "ü", "B"].enumerated() {
        _ = try await consumers.open(ConsumerName(name), stream: "\(10 + number)" + String(repeating: "0", count: 30))
      }
      var names: [String] = []
      var token = ""
      repeat {
        let page = try await consumers.list(size: PageSize(3), token: token, by: stores.caller)
        names += page.consumers.map(\.name)
        token = page.next
      } while !token.isEmpty
      #expect(names == ["B", "a", "b", "ü"])
      try await consumers.delete(ConsumerName("a"), by: stores.caller)
      await #expect(throws: SegmentationError.consumerNotFound(try ConsumerName("a"))) {
        try await consumers.delete(ConsumerName("a"), by: stores.caller)
      }
      try await consumers.delete(ConsumerName("a"), allowMissing: true, by: stores.caller)
      await #expect(throws: SegmentationError.self) {
        try await consumers.list(size: PageSize(0), token: "x", by: stores.caller)
      }
    }
  }

  @Test func `a long lag is told by the sequence numbers`() async throws {
    try await withConsumers { stores, consumers in
      let name = try ConsumerName("late")
      _ = try await consumers.open(name, stream: String(repeating: "ab", count: 16))
      try await stores.sql(
        """
        INSERT INTO segmentd.audit (xid, user_id, segment_id, effective_at, action, cause, segment_slug, actor)
        SELECT pg_current_xact_id(), n / 2 + 1, 1, statement_timestamp(), n % 2 + 1, 1, 'A', ''
        FROM generate_series(0, \(AuditConsumers.exactLag + 4999)) AS n
        """)
      let lag = try await consumers.list(size: PageSize(0), by: stores.caller).consumers.map(\.lagRecords)
      #expect(lag == [AuditConsumers.exactLag + 5000])
    }
  }

  @Test(arguments: ["", "a\u{0}", "a\nb", String(repeating: "x", count: 129)])
  func `what is no name is refused`(text: String) {
    #expect(throws: SegmentationError.self) { try ConsumerName(text) }
  }
}
