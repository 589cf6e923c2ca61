import Postgres
import PostgresFixture
import Testing

@testable import Segmentation

@Suite struct `Migrations` {
  private func withEmptyDatabase(_ body: @escaping @Sendable (PostgresPool) async throws -> Void) async throws {
    let connectionString = try await PostgresCluster.shared().database()
    try await withPool(connectionString, body)
  }

  @Test func `an empty database is brought up, all the way down, and up again`() async throws {
    try await withEmptyDatabase { pool in
      let migrator = Migrator(pool: pool)
      let known = try Migration.all().map(\.number)
      await #expect(throws: SegmentationError.notMigrated(current: 0, needed: known.last ?? 0)) {
        try await migrator.requireCurrent()
      }
      #expect(try await migrator.status().allSatisfy { $0.appliedAt == nil })
      #expect(try await migrator.up() == known)
      #expect(try await migrator.up() == [])
      try await migrator.requireCurrent()
      #expect(try await migrator.status().allSatisfy { $0.appliedAt != nil })
      #expect(try await migrator.down(to: 0) == known.reversed())
      #expect(try await migrator.up() == known)
    }
  }

  @Test func `several instances may start at once`() async throws {
    try await withEmptyDatabase { pool in
      let applied = try await withThrowingTaskGroup(of: [Int].self) { group in
        for _ in 0..<4 { group.addTask(executorPreference: testLoop) { try await Migrator(pool: pool).up() } }
        return try await group.reduce([], +)
      }
      #expect(applied == (try Migration.all().map(\.number)))
    }
  }

  @Test func `a database that is newer, or was migrated from another file, is refused`() async throws {
    try await withEmptyDatabase { pool in
      let migrator = Migrator(pool: pool)
      try await migrator.up()
      _ = try await pool.query(
        Statement("test_newer", "INSERT INTO segmentd.migrations VALUES (999, 'future', 'x')"))
      await #expect(throws: SegmentationError.self) { try await migrator.requireCurrent() }
      await #expect(throws: SegmentationError.self) { try await migrator.up() }
      _ = try await pool.query(Statement("test_older", "DELETE FROM segmentd.migrations WHERE number = 999"))
      _ = try await pool.query(Statement("test_other", "UPDATE segmentd.migrations SET checksum = 'x'"))
      await #expect(throws: SegmentationError.self) { try await migrator.requireCurrent() }
    }
  }

  @Test func `data from a dump begins a new era, in which old tokens are refused`() async throws {
    try await withStores { stores in
      try await stores.segment("A")
      let token = try #require(
        try await stores.update(1, assign: [assignment("A")], createUser: true).token)
      // A copy of the template is such data, too.
      let before = try await stores.installation.identity().era
      #expect(try await stores.installation.maintain() == false)
      try await stores.sql("UPDATE segmentd.installation SET system_identifier = 1")
      #expect(try await stores.installation.maintain())
      let identity = try await stores.installation.identity()
      #expect(identity.era == before + 1)
      #expect(throws: SegmentationError.self) { try token.position(in: identity) }
      try await stores.update(1, remove: ["A"])
      #expect(try await stores.log().map(\.position.era) == [before, before + 1])
    }
  }

  @Test func `a month without a partition gets one when it is written to`() async throws {
    try await withStores { stores in
      try await stores.segment("A")
      try await stores.user(1)
      let partitions = try await stores.sql(
        "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'segmentd.audit'::regclass")
      for row in 0..<partitions.rowCount { try await stores.sql("DROP TABLE \(try partitions.text(row, 0))") }
      try await stores.update(1, assign: [assignment("A")])
      #expect(try await stores.log().count == 1)
    }
  }
}
