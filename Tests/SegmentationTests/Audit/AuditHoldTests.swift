import Logging
import Postgres
import PostgresFixture
import Testing

@testable import Segmentation

@Suite struct `What holds the audit log's readers back` {
  @Test func `a transaction that runs is told, with its time and what has begun since`() async throws {
    // Transactions of other tests would be seen as well.
    let cluster = try await PostgresCluster()
    try await withStores(on: cluster) { stores in
      let monitor = AuditHoldMonitor(
        pool: stores.pool, logger: Logger(label: "test"), statistics: SegmentationStatistics())
      #expect(try await monitor.hold() == AuditHold(transactions: 0, seconds: 0))
      try await stores.segment("A")
      try await stores.pool.transaction { connection in
        _ = try await connection.query(Statement("test_xid", "SELECT pg_current_xact_id()::text"))
        // Nothing has ended behind it: nobody waits.
        #expect(try await monitor.hold() == AuditHold(transactions: 0, seconds: 0))
        try await stores.update(1, assign: [assignment("A")], createUser: true)
        let first = try await monitor.hold()
        #expect(first.transactions > 1 && first.seconds > 0)
        #expect(try await monitor.hold().seconds > first.seconds)
      }
      #expect(try await monitor.hold().transactions == 0)
    }
    try cluster.end()
  }

  @Test func `the database ends a transaction of ours that does nothing`() async throws {
    try await withStores { stores in
      let setting = try await stores.sql("SHOW idle_in_transaction_session_timeout").text(0, 0)
      #expect(setting == "1min")
    }
  }
}
