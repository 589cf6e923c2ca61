import Postgres
import Testing

@testable import Segmentation

/// The database refuses the first writes of every operation, as it does when others get in the way.
@Suite struct `Retries` {
  /// Every store that writes.
  enum Operation: String, CaseIterable, Sendable {
    case createUser, createSegment, updateSegment, deleteSegment, updateUserSegments, createUserWithSegments
    case importMemberships, sweep, rollout, deletion
  }

  @Test(arguments: Operation.allCases)
  func `conflicts and deadlocks are tried again`(_ operation: Operation) async throws {
    try await withStores { stores in
      let run = try await prepare(operation, stores)
      for state in ["40001", "40P01"] {
        try await refuse(stores, times: 3, state)
        try await run()
        #expect(try await accept(stores) > 3, "nothing was refused")
      }
    }
  }

  @Test(arguments: Operation.allCases)
  func `after so many attempts it is aborted, and nothing has changed`(_ operation: Operation) async throws {
    var settings = SegmentationSettings()
    settings.maximumAttempts = 3
    // The helper that lets time pass gives the membership and its record different instants.
    try await withStores(settings: settings, checksAudit: operation != .sweep) { stores in
      let run = try await prepare(operation, stores)
      let before = try await stores.log().count
      try await refuse(stores, times: 1000, "40001")
      await #expect(throws: SegmentationError.aborted) { try await run() }
      try await accept(stores)
      #expect(try await stores.log().count == before)
    }
  }

  @Test func `nothing is tried again beyond the deadline`() async throws {
    var settings = SegmentationSettings()
    settings.maximumAttempts = 1000
    try await withStores(settings: settings) { stores in
      try await refuse(stores, times: 10_000, "40001")
      var caller = stores.caller
      caller.deadline = .now + .milliseconds(200)
      let error = await #expect(throws: SegmentationError.self) {
        try await stores.users.create(UserID(1), by: caller)
      }
      // It passes between two attempts, or during one.
      #expect(error == .aborted || error == .deadlineExceeded)
      #expect(try await accept(stores) < 1000)
    }
  }

  /// What can be done over and over.
  private func prepare(
    _ operation: Operation, _ stores: Stores
  ) async throws -> @Sendable () async throws -> Void {
    let counter = Counter()
    for user in Int64(1)...3 { try await stores.user(user) }
    for slug in ["A", "B", "C", "D"] { try await stores.segment(slug) }
    switch operation {
    case .createUser: return { try await stores.user(100 + counter.next()) }
    case .createSegment: return { try await stores.segment("NEW\(counter.next())") }
    case .updateSegment:
      return {
        let update = SegmentUpdate(outreach: try Outreach(0.1 * Double(counter.next())))
        _ = try await stores.segments.update(.slug(Slug("A")), update, by: stores.caller)
      }
    case .deleteSegment:
      return {
        let slug = try Slug(["A", "B", "C", "D"][Int(counter.next())])
        _ = try await stores.segments.delete(.slug(slug), by: stores.caller)
      }
    case .updateUserSegments: return { try await stores.update(counter.next(), assign: [assignment("A")]) }
    case .createUserWithSegments:
      return { try await stores.update(100 + counter.next(), assign: [assignment("A")], createUser: true) }
    case .importMemberships:
      return {
        let number = counter.next()
        let session = stores.memberships.beginImport(
          ImportOptions(createUsers: true, createSegments: true), by: stores.caller)
        try await session.add([ImportRow(user: 200 + number, segment: "I\(number)")])
        _ = try await session.finish()
      }
    case .sweep:
      for (user, slug) in [(1, "A"), (1, "B")] as [(Int64, String)] {
        try await stores.update(user, assign: [assignment(slug, anHour)])
        try await stores.lapse(user, slug)
      }
      var settings = stores.settings
      settings.sweepChunk = 1
      let sweeper = Sweeper(pool: stores.pool, settings: settings)
      return { try await sweeper.sweep() }
    case .rollout:
      for slug in ["A", "B"] {
        let update = SegmentUpdate(outreach: try Outreach(1))
        _ = try await stores.segments.update(.slug(Slug(slug)), update, by: stores.caller)
      }
      return { for _ in 0..<3 { _ = try await stores.rollouts.turn() } }
    case .deletion:
      for slug in ["A", "B"] {
        try await stores.update(1, assign: [assignment(slug)])
        _ = try await stores.segments.delete(.slug(Slug(slug)), by: stores.caller)
      }
      return { _ = try await stores.rollouts.turn() }
    }
  }

  /// From here on the first statements that write are refused.
  private func refuse(_ stores: Stores, times: Int, _ state: String) async throws {
    let triggers = Self.tables.map { table in
      """
      CREATE TRIGGER refuse BEFORE INSERT OR UPDATE OR DELETE ON segmentd.\(table)
      FOR EACH STATEMENT EXECUTE FUNCTION refuse();
      """
    }
    try await run(
      """
      CREATE SEQUENCE refusals;
      CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF nextval('refusals') <= \(times) THEN RAISE EXCEPTION 'refused' USING ERRCODE = '\(state)'; END IF;
        RETURN NULL;
      END $$;
      \(triggers.joined(separator: "\n"))
      """, stores)
  }

  /// - Returns: How many statements came, refused or not.
  @discardableResult
  private func accept(_ stores: Stores) async throws -> Int64 {
    let count = try await stores.sql("SELECT last_value FROM refusals").int64(0, 0)
    try await run("DROP FUNCTION refuse CASCADE; DROP SEQUENCE refusals", stores)
    return count
  }

  private func run(_ script: String, _ stores: Stores) async throws {
    try await stores.pool.withConnection { try await $0.execute(script) }
  }

  private static let tables = ["users", "segments", "memberships", "rollouts", "deletions"]
}

/// Confined to the test's loop.
private final class Counter: @unchecked Sendable {
  private var count: Int64 = 0

  func next() -> Int64 {
    count += 1
    return count
  }
}
