import EventLoop
import Postgres

/// Puts users into segments, takes them out, and tells who is in. One per loop, confined to it.
/// All methods throw `SegmentationError`.
package final class MembershipStore: @unchecked Sendable {
  let pool: PostgresPool
  let installation: Installation
  let directory: SegmentDirectory
  let settings: SegmentationSettings
  private let slugReads: Coalescer<UserID, [Slug]>
  private let fullReads: Coalescer<UserID, [Membership]>
  private let checks: Coalescer<MembershipChecker.Question, MembershipStanding>
  private let updates: Coalescer<MembershipWriter.Call, MembershipUpdateResult>

  package init(
    on loop: EventLoop, pool: PostgresPool, installation: Installation, directory: SegmentDirectory,
    settings: SegmentationSettings = SegmentationSettings()
  ) {
    self.pool = pool
    self.installation = installation
    self.directory = directory
    self.settings = settings
    let reader = MembershipReader(pool: pool, directory: directory)
    let writer = MembershipWriter(pool: pool, installation: installation, settings: settings)
    slugReads = Coalescer(
      on: loop, minimumBatch: settings.minimumReadBatch, maximumBatch: settings.maximumReadBatch
    ) { users, deadline in
      await reader.slugs(of: users, deadline: deadline)
    }
    fullReads = Coalescer(
      on: loop, minimumBatch: settings.minimumReadBatch, maximumBatch: settings.maximumReadBatch
    ) { users, deadline in
      await reader.memberships(of: users, deadline: deadline)
    }
    let checker = MembershipChecker(pool: pool, directory: directory)
    checks = Coalescer(
      on: loop, minimumBatch: settings.minimumReadBatch, maximumBatch: settings.maximumReadBatch
    ) { questions, deadline in
      await checker.answers(questions, deadline: deadline)
    }
    updates = Coalescer(on: loop, maximumBatch: settings.maximumWriteBatch) { calls, deadline in
      await writer.run(calls, deadline: deadline)
    }
  }

  /// The slugs of the segments that the user is in at this instant, sorted. A user that nobody made known is in none:
  /// telling it apart would cost a second query.
  package func segments(of user: UserID, by caller: Caller) async throws(SegmentationError) -> [Slug] {
    try await slugReads.submit(user, deadline: caller.deadline)
  }

  /// As `segments(of:by:)`, with all that the memberships hold.
  package func memberships(of user: UserID, by caller: Caller) async throws(SegmentationError) -> [Membership] {
    try await fullReads.submit(user, deadline: caller.deadline)
  }

  /// Whether the user is in the segment at this instant. A user that nobody made known is in none.
  /// - Throws: `segmentNotFound`.
  package func check(
    _ user: UserID, in segment: SegmentReference, by caller: Caller
  ) async throws(SegmentationError) -> MembershipStanding {
    let question = MembershipChecker.Question(user: user, segment: segment)
    return try await checks.submit(question, deadline: caller.deadline)
  }

  /// The slugs of many users' segments, in the order of the users; one named twice is answered twice.
  /// - Throws: `invalid` for more than `settings.maximumUsersPerBatch` users.
  package func segments(of users: [UserID], by caller: Caller) async throws(SegmentationError) -> [[Slug]] {
    try Self.check(users, settings)
    let reader = MembershipReader(pool: pool, directory: directory)
    return try await Self.all(await reader.slugs(of: users, deadline: caller.deadline))
  }

  /// As `segments(of:by:)` for many, with all that the memberships hold.
  package func memberships(of users: [UserID], by caller: Caller) async throws(SegmentationError) -> [[Membership]] {
    try Self.check(users, settings)
    let reader = MembershipReader(pool: pool, directory: directory)
    return try await Self.all(await reader.memberships(of: users, deadline: caller.deadline))
  }

  /// Assigns segments to one user and removes others: all of it happens, or nothing.
  ///
  /// Calls that arrive while a change is on its way are made together in the next one, each by itself as far as anybody
  /// can tell.
  /// - Throws: `userNotFound`, `segmentNotFound`, `membershipAlreadyExists`, `membershipNotFound`, `requestIDReused`,
  ///   `invalid`.
  package func update(
    _ update: MembershipUpdate, by caller: Caller
  ) async throws(SegmentationError) -> MembershipUpdateResult {
    try update.check(settings)
    let call = MembershipWriter.Call(update: update, caller: caller)
    return try await updates.submit(call, deadline: caller.deadline)
  }

  /// Begins an import; see `ImportSession`.
  package func beginImport(_ options: ImportOptions, by caller: Caller) -> ImportSession {
    ImportSession(pool: pool, installation: installation, settings: settings, options: options, caller: caller)
  }

  static func check(_ users: [UserID], _ settings: SegmentationSettings) throws(SegmentationError) {
    guard users.count <= settings.maximumUsersPerBatch else {
      throw .invalid(field: "user_ids", reason: "must have at most \(settings.maximumUsersPerBatch) entries")
    }
  }

  private static func all<Value>(
    _ results: [Result<Value, SegmentationError>]
  ) async throws(SegmentationError) -> [Value] {
    var values: [Value] = []
    values.reserveCapacity(results.count)
    for result in results { values.append(try result.get()) }
    return values
  }
}
