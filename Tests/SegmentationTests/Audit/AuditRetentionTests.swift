import Logging
import Postgres
import Testing

@testable import Segmentation

@Suite struct `Audit retention` {
  private static let day = Duration.seconds(86_400)

  /// Gives the log a partition that is that many months old, and moves what users up to `user` have in it there.
  private func age(_ stores: Stores, _ months: Int, upTo user: Int64) async throws {
    let start = "date_trunc('month', statement_timestamp() AT TIME ZONE 'UTC') - interval '\(months) months'"
    let name = try await stores.sql("SELECT 'audit_' || to_char(\(start), 'YYYY_MM')").text(0, 0)
    let bounds = try await stores.sql(
      "SELECT (\(start))::text || '+00', (\(start) + interval '1 month')::text || '+00'")
    try await stores.sql(
      """
      CREATE TABLE segmentd.\(name) PARTITION OF segmentd.audit
      FOR VALUES FROM ('\(try bounds.text(0, 0))') TO ('\(try bounds.text(0, 1))')
      """)
    let shift = "interval '1 day' - date_trunc('second', recorded_at - '\(try bounds.text(0, 0))'::timestamptz)"
    try await stores.sql(
      """
      UPDATE segmentd.audit SET effective_at = effective_at + \(shift), recorded_at = recorded_at + \(shift)
      WHERE user_id <= \(user) AND recorded_at >= date_trunc('month', statement_timestamp() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'
      """)
    try await stores.sql(
      """
      UPDATE segmentd.memberships SET assigned_at = '\(try bounds.text(0, 0))' WHERE user_id <= \(user)
      """)
  }

  private func retention(_ stores: Stores, days: Int64) -> AuditRetention {
    AuditRetention(pool: stores.pool, keep: .seconds(days * 86_400))
  }

  @Test func `months that are older go, the others stay, and the check knows`() async throws {
    try await withStores { stores in
      try await stores.segment("A")
      for user in 1...3 { try await stores.update(Int64(user), assign: [assignment("A")], createUser: true) }
      try await age(stores, 3, upTo: 1)
      #expect(try await retention(stores, days: 400).enforce() == [])
      #expect(try await stores.log().count == 3)
      #expect(try await retention(stores, days: 32).enforce().count == 1)
      #expect(try await stores.log().map(\.user.number) == [2, 3])
      #expect(try await retention(stores, days: 32).enforce() == [])
      // What is in from before what is kept may go on.
      try await stores.update(1, remove: ["A"])
    }
  }

  @Test func `a token from before what is kept is told apart, and the earliest one works`() async throws {
    try await withStores { stores in
      try await stores.segment("A")
      var tokens: [AuditToken] = []
      for user in 1...3 {
        tokens.append(
          try #require(try await stores.update(Int64(user), assign: [assignment("A")], createUser: true).token))
      }
      let before = try await stores.audit.bound()
      #expect(before.earliest.position == .beginning)
      try await age(stores, 3, upTo: 2)
      try await retention(stores, days: 32).enforce()
      let bound = try await stores.audit.bound()
      #expect(bound.earliest == tokens[1])
      #expect(throws: SegmentationError.tokenTooOld(field: "t", earliest: tokens[1].text)) {
        try bound.start(tokens[0], field: "t")
      }
      #expect(try bound.start(tokens[1], field: "t") == tokens[1].position)
      // A reading that began before, and had not come to them.
      await #expect(throws: SegmentationError.auditDropped(earliest: tokens[1].text)) {
        try await stores.audit.read(after: tokens[0].position, to: before, limit: 10)
      }
      #expect(try await stores.audit.read(after: tokens[1].position, to: before, limit: 10).count == 1)
      // One that wants only what is kept.
      let recent = AuditFilter(from: try #require(bound.floor).keptSince)
      #expect(try await stores.audit.read(after: .beginning, to: before, limit: 10, filter: recent).count == 1)
    }
  }

  @Test func `consumers who have not read a month are named before it goes`() async throws {
    try await withStores { stores in
      try await stores.segment("A")
      let consumers = AuditConsumers(pool: stores.pool, installation: stores.installation)
      let first = try await stores.update(1, assign: [assignment("A")], createUser: true).token
      let second = try await stores.update(2, assign: [assignment("A")], createUser: true).token
      _ = try await consumers.acknowledge(ConsumerName("behind"), try #require(first), by: stores.caller)
      _ = try await consumers.acknowledge(ConsumerName("ahead"), try #require(second), by: stores.caller)
      _ = try await consumers.open(ConsumerName("new"), stream: String(repeating: "0", count: 32))
      try await age(stores, 3, upTo: 2)
      let log = LogLines()
      let retention = AuditRetention(
        pool: stores.pool, keep: Self.day * 32, logger: Logger(label: "test") { _ in log })
      #expect(try await retention.enforce().count == 1)
      #expect(log.lines.first?.contains("have not read") ?? false)
      #expect(log.lines.first?.contains("behind, new") ?? false)
    }
  }

  @Test func `one instance at a time drops, and gives way to who holds the log`() async throws {
    try await withStores { stores in
      try await stores.segment("A")
      try await stores.update(1, assign: [assignment("A")], createUser: true)
      try await age(stores, 3, upTo: 1)
      let retention = retention(stores, days: 32)
      try await stores.pool.transaction { connection in
        _ = try await connection.query(
          Statement(
            "test_lock",
            "SELECT pg_advisory_xact_lock(hashtextextended('segmentd.audit_retention', 0))::text"))
        #expect(try await retention.enforce() == [])
      }
      try await stores.pool.transaction { connection in
        _ = try await connection.query(Statement("test_read", "SELECT count(*) FROM segmentd.audit"))
        await #expect(throws: SegmentationError.self) { try await retention.enforce() }
      }
      #expect(try await retention.enforce().count == 1)
    }
  }
}

/// Keeps what is logged, metadata and all. Of one thread.
private final class LogLines: LogHandler, @unchecked Sendable {
  var lines: [String] = []
  var metadata: Logger.Metadata = [:]
  var logLevel = Logger.Level.trace

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) {
    lines.append("\(event.message) \(event.metadata ?? [:])")
  }
}
