import EventLoop
import Logging
import Postgres
import PostgresFixture
import Testing

@testable import Segmentation

/// The loop that this test target's stores live on.
let testLoop: EventLoop = {
  do {
    let loop = try EventLoop(name: "segmentation tests")
    _ = try loop.start()
    return loop
  } catch {
    preconditionFailure("no loop: \(error)")
  }
}()

/// The stores over one migrated database of their own.
struct Stores: Sendable {
  let pool: PostgresPool
  let settings: SegmentationSettings
  let installation: Installation
  let users: UserStore
  let segments: SegmentStore
  let memberships: MembershipStore
  let audit: AuditStore
  let sweeper: Sweeper
  let rollouts: RolloutWorker
  let history: HistoryStore
  let caller = Caller(actor: "tester")

  init(_ pool: PostgresPool, settings: SegmentationSettings) {
    self.pool = pool
    self.settings = settings
    installation = Installation(pool: pool, settings: settings)
    users = UserStore(pool: pool, installation: installation, settings: settings)
    segments = SegmentStore(pool: pool, installation: installation, settings: settings)
    memberships = MembershipStore(
      on: testLoop, pool: pool, installation: installation, directory: SegmentDirectory(pool: pool),
      settings: settings)
    audit = AuditStore(pool: pool, installation: installation, settings: settings)
    sweeper = Sweeper(pool: pool, settings: settings)
    rollouts = RolloutWorker(on: testLoop, pool: pool, installation: installation, settings: settings)
    history = HistoryStore(pool: pool, listings: pool, settings: settings)
  }
}

/// Runs `body` on the loop with stores over a fresh migrated database, then replays the audit log: whatever a test
/// does, the log must tell it.
@discardableResult
func withStores<Output: Sendable>(
  connections: Int = 3, settings: SegmentationSettings = SegmentationSettings(), checksAudit: Bool = true,
  on ownCluster: PostgresCluster? = nil, _ body: @escaping @Sendable (Stores) async throws -> Output
) async throws -> Output {
  let cluster = if let ownCluster { ownCluster } else { try await PostgresCluster.shared() }
  let template = try await cluster.template("segmentd_template") { connectionString in
    try await withPool(connectionString) { pool in _ = try await Migrator(pool: pool).up() }
  }
  let connectionString = try await cluster.database(from: template)
  return try await withPool(connectionString, connections: connections) { pool in
    let stores = Stores(pool, settings: settings)
    try await stores.installation.maintain()
    let output = try await body(stores)
    if checksAudit { #expect(try await differences(stores) == []) }
    return output
  }
}

@discardableResult
func withPool<Output: Sendable>(
  _ connectionString: String, connections: Int = 4, _ body: @escaping @Sendable (PostgresPool) async throws -> Output
) async throws -> Output {
  let configuration = PostgresConfiguration(connectionString: connectionString, maximumConnections: connections)
  return try await Task(executorPreference: testLoop) {
    let pool = PostgresPool(on: testLoop, configuration: configuration, logger: Logger(label: "test"))
    do {
      let output = try await body(pool)
      await pool.close()
      return output
    } catch {
      await pool.close()
      throw error
    }
  }.value
}

/// What the audit log tells otherwise than the memberships.
func differences(_ stores: Stores, usersPerChunk: Int = 100) async throws -> [AuditDifference] {
  var found: [AuditDifference] = []
  try await AuditCheck(pool: stores.pool, usersPerChunk: usersPerChunk).run { found.append($0) }
  return found
}

extension Stores {
  /// Runs SQL of a test's own.
  @discardableResult
  func sql(_ text: String, _ parameters: [Parameter] = []) async throws -> PostgresResult {
    try await pool.query(Statement("test: \(text)", text), parameters)
  }

  /// Creates a segment; whom its outreach covers is in then.
  @discardableResult
  func segment(_ slug: String, outreach: Double = 0) async throws -> Segment {
    let created = try await segments.create(
      Slug(slug), description: SegmentDescription(""), outreach: Outreach(outreach), by: caller)
    if created.rollout != nil { try await rollouts.drain() }
    return created.segment
  }

  /// Deletes a segment; its members are deprived then.
  @discardableResult
  func delete(_ slug: String, allowMissing: Bool = false) async throws -> Segment? {
    let deleted = try await segments.delete(.slug(Slug(slug)), allowMissing: allowMissing, by: caller)
    try await rollouts.drain()
    return deleted
  }

  /// Changes a segment's outreach, and goes through the users.
  @discardableResult
  func reach(
    _ slug: String, _ outreach: Double, present: OutreachPresentPolicy = .keep,
    release: OutreachReleasePolicy = .release
  ) async throws -> Rollout? {
    let update = SegmentUpdate(outreach: try Outreach(outreach), presentPolicy: present, releasePolicy: release)
    let changed = try await segments.update(.slug(Slug(slug)), update, by: caller)
    try await rollouts.drain()
    return try await segments.rollout(of: changed.segment.id, deadline: nil)
  }

  func user(_ number: Int64) async throws {
    _ = try await users.create(UserID(number), by: caller)
  }

  @discardableResult
  func update(
    _ user: Int64, assign: [SegmentAssignment] = [], remove: [String] = [], present: PresentPolicy = .fail,
    missing: MissingPolicy = .fail, createUser: Bool = false, validateOnly: Bool = false, request: String? = nil
  ) async throws -> MembershipUpdateResult {
    let update = MembershipUpdate(
      user: try UserID(user), assign: assign, remove: try remove.map { .slug(try Slug($0)) }, presentPolicy: present,
      missingPolicy: missing, createUser: createUser, validateOnly: validateOnly)
    var caller = caller
    caller.requestID = try request.map { try RequestID($0) }
    return try await memberships.update(update, by: caller)
  }

  func slugs(of user: Int64) async throws -> [String] {
    try await memberships.segments(of: UserID(user), by: caller).map(\.text)
  }

  /// The whole log.
  func log(_ filter: AuditFilter = AuditFilter(), chunk: Int = 1000) async throws -> [AuditRecord] {
    let bound = try await audit.bound()
    var records: [AuditRecord] = []
    while true {
      let next = try await audit.read(
        after: records.last?.position ?? .beginning, to: bound, limit: chunk, filter: filter)
      records += next
      if next.count < chunk { return records }
    }
  }

  /// `user slug ACTION CAUSE` of every record.
  func story() async throws -> [String] {
    try await log().map { "\($0.user) \($0.slug) \($0.action) \($0.cause)" }
  }

  /// Makes a membership's time pass, as if it had been given earlier.
  func lapse(_ user: Int64, _ slug: String) async throws {
    let lapsed = """
      expires_at = statement_timestamp() - interval '1 second'
      WHERE user_id = $1 AND expires_at > statement_timestamp()
        AND segment_id = (SELECT id FROM segmentd.segments WHERE slug = $2)
      """
    try await sql(
      """
      WITH told AS (UPDATE segmentd.audit SET effective_at = effective_at - interval '1 hour', \(lapsed))
      UPDATE segmentd.memberships SET \(lapsed)
      """, [.int64(user), .text(slug)])
  }
}

func assignment(_ slug: String, _ expiry: Expiry = .never) throws -> SegmentAssignment {
  SegmentAssignment(.slug(try Slug(slug)), expiry)
}

/// An hour, as a TTL.
let anHour = Expiry.after(microseconds: 3_600_000_000)
