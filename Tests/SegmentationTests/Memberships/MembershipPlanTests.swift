import Postgres
import Testing

@testable import Segmentation

/// How PostgreSQL goes about the statements that are planned once: the plan must do for any number of memberships, since it stays until the
/// tables are analysed.
@Suite struct `Plans of what is planned once` {
  private static let statements = [
    "membership_look('{1}', '{A}', '{}', '{}')", "membership_segments_of_one(1)",
    "membership_segments_of_many('{1,2}')",
    "membership_full_of_many('{1,2}')", "membership_check_many('{1,2}', '{1,1}', '{1}')",
    "membership_write('{1}','{1}','{1}','{null}','{null}','{A}','{1}','{a}','{null}','{}','{}','{}','{}','{1}','{1}')",
  ]

  /// Makes the connection prepare all of them.
  private func use(_ stores: Stores) async throws {
    try await stores.update(1, assign: [assignment("A")], present: .keep)
    try await stores.update(1, remove: ["A"])
    let users = [try UserID(1), try UserID(2)]
    _ = try await stores.memberships.segments(of: users[0], by: stores.caller)
    _ = try await stores.memberships.segments(of: users, by: stores.caller)
    _ = try await stores.memberships.memberships(of: users, by: stores.caller)
    for user in users { _ = try await stores.memberships.check(user, in: .slug(Slug("A")), by: stores.caller) }
    async let first = stores.memberships.check(users[0], in: .slug(Slug("A")), by: stores.caller)
    async let second = stores.memberships.check(users[0], in: .slug(Slug("A")), by: stores.caller)
    async let third = stores.memberships.check(users[1], in: .slug(Slug("A")), by: stores.caller)
    _ = try await (first, second, third)
  }

  private func expectLookups(_ stores: Stores) async throws {
    for statement in Self.statements {
      let explain = Statement("explain \(statement)", planning: .once, "EXPLAIN (COSTS OFF) EXECUTE \(statement)")
      let result = try await stores.pool.query(explain)
      let lines = try (0..<result.rowCount).map { try result.text($0, 0) }
      #expect(
        !lines.contains { $0.contains("Seq Scan") || $0.contains("Bitmap") || $0.contains("Hash Join") }, "\(lines)")
      // Each scan of the memberships goes by the user.
      for (index, line) in lines.enumerated() where line.contains(" on memberships") && line.contains("Scan") {
        let condition = lines.dropFirst(index + 1).first ?? ""
        #expect(condition.contains("Index Cond:") && condition.contains("user_id"), "\(lines)")
      }
    }
  }

  @Test func `everything is looked up by an index, whatever the statistics say`() async throws {
    try await withStores(connections: 1, checksAudit: false) { stores in
      try await stores.segment("A")
      try await stores.user(1)
      try await use(stores)
      try await expectLookups(stores)
      // The server analyses no table for less than fifty changes.
      for size in [60, 20_000] {
        try await stores.sql(
          """
          INSERT INTO segmentd.memberships (user_id, segment_id, assigned_at, cause)
          SELECT u, 1, statement_timestamp(), 1 FROM generate_series(2, $1::bigint) AS u ON CONFLICT DO NOTHING
          """, [.int64(Int64(size))])
        try await use(stores)
        try await expectLookups(stores)
        try await stores.sql("ANALYZE segmentd.memberships")
        try await use(stores)
        try await expectLookups(stores)
      }
    }
  }
}
