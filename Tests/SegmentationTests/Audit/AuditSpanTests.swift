import Postgres
import PostgresFixture
import Testing

@testable import Segmentation

@Suite struct `Audit span` {
  /// Three months of a log whose order is not that of time: transaction id, effective, recorded.
  private static let rows = [
    (10, "2024-01-10T00:00:00Z", "2024-01-10T00:00:00Z"),
    (12, "2024-02-01T00:00:00Z", "2024-02-01T00:00:00Z"),
    // Begun in January, and among those of February.
    (13, "2024-01-31T23:59:59Z", "2024-01-31T23:59:59Z"),
    // Expiries that were swept late.
    (14, "2024-01-31T12:00:00Z", "2024-02-02T00:00:00Z"),
    (15, "2024-02-15T00:00:00Z", "2024-02-15T00:00:00Z"),
    // Begun in March, and before one of February.
    (16, "2024-03-01T00:00:00Z", "2024-03-01T00:00:00Z"),
    (17, "2024-02-29T23:59:59Z", "2024-02-29T23:59:59Z"),
    (18, "2024-02-20T00:00:00Z", "2024-03-05T00:00:00Z"),
    (19, "2024-03-10T00:00:00Z", "2024-03-10T00:00:00Z"),
  ]

  private static func fill(_ stores: Stores) async throws {
    let segment = try await stores.segment("A")
    var script: [String] = []
    for (month, next) in [("01", "02"), ("02", "03"), ("03", "04")] {
      script.append("CREATE TABLE segmentd.audit_2024_\(month) (LIKE segmentd.audit INCLUDING ALL)")
      script.append(
        """
        ALTER TABLE segmentd.audit ATTACH PARTITION segmentd.audit_2024_\(month)
        FOR VALUES FROM ('2024-\(month)-01 00:00:00+00') TO ('2024-\(next)-01 00:00:00+00')
        """)
    }
    for (xid, effective, recorded) in rows {
      script.append(
        """
        INSERT INTO segmentd.audit (xid, user_id, segment_id, effective_at, recorded_at, action, cause, segment_slug, actor)
        VALUES ('\(xid)', \(xid), \(segment.id.number), '\(effective)', '\(recorded)', 1, 1, 'A', '')
        """)
    }
    try await stores.pool.withConnection { try await $0.execute(script.joined(separator: ";")) }
  }

  private static func instant(_ day: String?, _ stores: Stores) async throws -> Timestamp? {
    guard let day else { return nil }
    return try await stores.sql("SELECT '\(day)T00:00:00Z'::timestamptz").timestamp(0, 0)
  }

  @Test func `a period is read from its first record to its last, and nothing is left out`() async throws {
    try await withStores(checksAudit: false) { stores in
      try await Self.fill(stores)
      let days: [String?] = [
        nil, "2023-01-01", "2024-01-01", "2024-01-20", "2024-02-01", "2024-02-20", "2024-03-01", "2024-04-01",
        "2100-01-01",
      ]
      let whole = try await stores.log()
      #expect(whole.count == Self.rows.count)
      for (place, from) in days.enumerated() {
        for until in [nil] + days[max(1, place)...] {
          let filter = AuditFilter(
            from: try await Self.instant(from, stores), until: try await Self.instant(until, stores))
          let (start, bound) = try await stores.audit.narrowed(stores.audit.bound(), to: filter)
          let read = try await stores.audit.read(after: start, to: bound, limit: 100, filter: filter)
          #expect(read == whole.filter { filter.matches($0) }, "from \(from ?? "-") until \(until ?? "-")")
        }
      }
    }
  }

  @Test func `what lies before and behind a month is not gone through`() async throws {
    try await withStores(checksAudit: false) { stores in
      try await Self.fill(stores)
      func span(_ from: String, _ until: String) async throws -> [Int64] {
        let filter = AuditFilter(
          from: try await Self.instant(from, stores), until: try await Self.instant(until, stores))
        let (start, bound) = try await stores.audit.narrowed(stores.audit.bound(), to: filter)
        return try await stores.audit.read(after: start, to: bound, limit: 100).map(\.user.number)
      }
      #expect(try await span("2024-01-01", "2024-02-01") == [10, 12, 13, 14])
      #expect(try await span("2024-02-01", "2024-03-01") == [12, 13, 14, 15, 16, 17, 18])
      #expect(try await span("2024-03-01", "2024-04-01") == [16, 17, 18, 19])
      #expect(try await span("2023-01-01", "2023-02-01") == [])
      #expect(try await span("2100-01-01", "2100-02-01") == [])
    }
  }
}
