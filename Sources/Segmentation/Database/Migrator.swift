import Postgres

/// Brings a database's schema to what this program needs, or back. Any number of instances may start at once.
package struct Migrator: Sendable {
  /// How a migration stands in a database.
  package struct Status: Hashable, Sendable {
    package let number: Int
    package let name: String
    /// Nil when it has not been applied.
    package let appliedAt: Timestamp?
  }

  private struct Applied {
    let number: Int
    let name: String
    let checksum: String
    let at: Timestamp
  }

  /// Held while the schema changes, by whoever changes it.
  private static let lock = Statement(
    "migrations_lock",
    """
    SELECT pg_advisory_xact_lock(hashtextextended('segmentd.migrations', 0))
    """)

  private static let exists = Statement(
    "migrations_exist",
    """
    SELECT to_regclass('segmentd.migrations') IS NOT NULL
    """)

  private static let list = Statement(
    "migrations_list",
    """
    SELECT number, name, checksum, applied_at FROM segmentd.migrations ORDER BY number
    """)

  private static let note = Statement(
    "migrations_note",
    """
    INSERT INTO segmentd.migrations (number, name, checksum) VALUES ($1, $2, $3)
    """)

  private static let strike = Statement(
    "migrations_strike",
    """
    DELETE FROM segmentd.migrations WHERE number = $1
    """)

  private static let bookkeeping = """
    CREATE SCHEMA IF NOT EXISTS segmentd;
    CREATE TABLE IF NOT EXISTS segmentd.migrations (
      number     integer PRIMARY KEY,
      name       text NOT NULL,
      checksum   text NOT NULL,
      applied_at timestamptz NOT NULL DEFAULT statement_timestamp()
    );
    """

  private let pool: PostgresPool

  package init(pool: PostgresPool) {
    self.pool = pool
  }

  /// Applies what is missing, all of it or nothing.
  /// - Returns: The numbers that were applied.
  /// - Throws: `SegmentationError`: `schemaMismatch` when the database is newer than this program or has another file.
  @discardableResult
  package func up(deadline: ContinuousClock.Instant? = nil) async throws(SegmentationError) -> [Int] {
    let known = try Migration.all()
    return try await translating {
      try await pool.transaction(deadline: deadline) { connection in
        _ = try await connection.query(Self.lock)
        try await connection.execute(Self.bookkeeping)
        let applied = try await Self.applied(connection)
        try Self.check(applied, against: known)
        let missing = known.dropFirst(applied.count)
        for migration in missing {
          try await connection.execute(migration.up)
          _ = try await connection.query(
            Self.note, [.int32(Int32(migration.number)), .text(migration.name), .text(migration.checksum)])
        }
        return missing.map(\.number)
      }
    }
  }

  /// Takes the latest migrations back, with the data that only they can hold.
  /// - Parameter target: The number that stays the latest; 0 takes everything back.
  /// - Returns: The numbers that were taken back, latest first.
  /// - Throws: `SegmentationError`: `schemaMismatch` as `up()`.
  @discardableResult
  package func down(to target: Int, deadline: ContinuousClock.Instant? = nil) async throws(SegmentationError) -> [Int] {
    let known = try Migration.all()
    return try await translating {
      try await pool.transaction(deadline: deadline) { connection in
        _ = try await connection.query(Self.lock)
        try await connection.execute(Self.bookkeeping)
        let applied = try await Self.applied(connection)
        try Self.check(applied, against: known)
        let surplus = known.prefix(applied.count).filter { $0.number > target }.reversed()
        for migration in surplus {
          try await connection.execute(migration.down)
          _ = try await connection.query(Self.strike, [.int32(Int32(migration.number))])
        }
        return surplus.map(\.number)
      }
    }
  }

  /// Every migration, and when it was applied. Changes nothing.
  /// - Throws: `SegmentationError`.
  package func status(deadline: ContinuousClock.Instant? = nil) async throws(SegmentationError) -> [Status] {
    let known = try Migration.all()
    let applied = try await appliedNow(deadline)
    let pending = known.dropFirst(applied.count).map { Status(number: $0.number, name: $0.name, appliedAt: nil) }
    return applied.map { Status(number: $0.number, name: $0.name, appliedAt: $0.at) } + pending
  }

  /// - Throws: `SegmentationError`: `notMigrated` when the schema is older than this program needs, `schemaMismatch`
  ///   when it is
  ///   newer or another.
  package func requireCurrent(deadline: ContinuousClock.Instant? = nil) async throws(SegmentationError) {
    let known = try Migration.all()
    let applied = try await appliedNow(deadline)
    try Self.check(applied, against: known)
    guard applied.count == known.count else {
      throw .notMigrated(current: applied.last?.number ?? 0, needed: known.last?.number ?? 0)
    }
  }

  /// As `requireCurrent`, but a database that is newer than this program will do: in a rolling update the first instance of the
  /// next version migrates while others of this one still answer.
  /// - Throws: `SegmentationError`: `notMigrated`, `schemaMismatch` when it was made from other files.
  package func requireEnough(deadline: ContinuousClock.Instant? = nil) async throws(SegmentationError) {
    let known = try Migration.all()
    let applied = try await appliedNow(deadline)
    try Self.check(Array(applied.prefix(known.count)), against: known)
    guard applied.count >= known.count else {
      throw .notMigrated(current: applied.last?.number ?? 0, needed: known.last?.number ?? 0)
    }
  }

  private func appliedNow(_ deadline: ContinuousClock.Instant?) async throws(SegmentationError) -> [Applied] {
    try await translating {
      try await pool.withConnection(deadline: deadline) { connection in
        guard try await connection.query(Self.exists).bool(0, 0) else { return [] }
        return try await Self.applied(connection)
      }
    }
  }

  private static func applied(_ connection: PostgresConnection) async throws -> [Applied] {
    let result = try await connection.query(list)
    return try (0..<result.rowCount).map { row in
      Applied(
        number: Int(try result.int64(row, 0)), name: try result.text(row, 1), checksum: try result.text(row, 2),
        at: try result.timestamp(row, 3))
    }
  }

  /// What was applied must be the beginning of what is known.
  private static func check(_ applied: [Applied], against known: [Migration]) throws(SegmentationError) {
    guard applied.count <= known.count else {
      throw .schemaMismatch(
        "the database is at migration \(applied.last?.number ?? 0), newer than this program, which knows \(known.last?.number ?? 0)"
      )
    }
    for (applied, known) in zip(applied, known)
    where applied.number != known.number || applied.checksum != known.checksum {
      throw .schemaMismatch("migration \(applied.number) (\(applied.name)) was applied from another file")
    }
  }
}
