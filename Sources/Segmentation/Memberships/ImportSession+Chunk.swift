import Postgres

extension ImportSession {
  /// Imports rows that name no membership twice.
  func run(_ candidates: [Candidate]) async throws(SegmentationError) {
    if options.validateOnly { return try await foretell(candidates) }
    let known = try await admit(candidates)
    if options.createSegments { try await createSegments(for: known) }
    let rows = known.filter { $0.slug != nil }
    summary.usersOnly += Int64(known.count - rows.count)
    guard !rows.isEmpty else { return }
    let leftOver = try await insertNew(rows)
    if !leftOver.isEmpty { try await apply(leftOver) }
  }

  // MARK: Users

  /// The rows whose user is known, after making known those that may be. Rows that are done with that are not among them.
  private func admit(_ candidates: [Candidate]) async throws(SegmentationError) -> [Candidate] {
    let users = Array(Set(candidates.map(\.user))).sorted()
    if options.createUsers {
      let retry = Retry(pool: pool, settings: settings, deadline: caller.deadline)
      let done = try await retry.run { try await create(users, listed: candidates.filter { $0.slug != nil }) }
      summary.assigned += Int64(done.count)
      return done.isEmpty ? candidates : candidates.filter { !done.contains($0.number) }
    }
    let known = try await translating {
      let result = try await pool.query(
        ImportSQL.knownUsers, [.int64Array(users.map(\.number))], deadline: caller.deadline)
      return try Set((0..<result.rowCount).map { try result.int64($0, 0) })
    }
    return candidates.filter { candidate in
      if known.contains(candidate.user.number) { return true }
      reject(candidate.number, .userNotFound, "user \(candidate.user) not found")
      return false
    }
  }

  /// Makes those of the users known that are not, and members of the segments whose outreach covers them: where they are listed
  /// for one of these, as the row says.
  /// - Returns: The numbers of these rows.
  private func create(_ users: [UserID], listed: [Candidate] = []) async throws -> Set<Int64> {
    let parameters =
      UserSQL.parameters(users, by: caller) + [
        .int64Array(listed.map(\.user.number)), .textArray(listed.map { $0.slug?.text ?? "" }),
        .optionalTimestampArray(listed.map(\.expiresAt)),
      ]
    let result = try await pool.query(UserSQL.createMany, parameters, deadline: caller.deadline)
    let created = try result.int64(0, 0)
    if created > 0 {
      summary.usersCreated += created
      creations.insert(try result.timestamp(0, 4))
    }
    note(try AuditPosition(result, row: 0, column: 1))
    return try Set(
      (0..<result.rowCount).compactMap { row in
        try result.optionalInt64(row, 5).map { listed[Int($0) - 1].number }
      })
  }

  // MARK: Segments

  private func createSegments(for candidates: [Candidate]) async throws(SegmentationError) {
    let slugs = Array(Set(candidates.compactMap(\.slug))).sorted()
    guard !slugs.isEmpty else { return }
    let retry = Retry(pool: pool, settings: settings, deadline: caller.deadline)
    let created = try await retry.run {
      let found = try await living(slugs)
      let missing = slugs.filter { found[$0] == nil }
      if missing.isEmpty { return 0 }
      return try await pool.query(
        ImportSQL.createSegments, [.textArray(missing.map(\.text))], deadline: caller.deadline
      ).rowCount
    }
    summary.segmentsCreated += Int64(created)
  }

  private func living(_ slugs: [Slug]) async throws -> [Slug: SegmentID] {
    let result = try await pool.query(
      ImportSQL.livingSegments, [.textArray(slugs.map(\.text))], deadline: caller.deadline)
    var found: [Slug: SegmentID] = [:]
    for row in 0..<result.rowCount {
      found[Slug(stored: try result.text(row, 1))] = SegmentID(stored: try result.int64(row, 0))
    }
    return found
  }

  // MARK: Memberships

  /// Assigns what is not there yet.
  /// - Returns: The rows that are left over: there already, or without a segment, or their expiry has passed.
  private func insertNew(_ rows: [Candidate]) async throws(SegmentationError) -> [Candidate] {
    let slugs = Array(Set(rows.compactMap(\.slug))).sorted()
    let retry = Retry(pool: pool, settings: settings, deadline: caller.deadline)
    let (result, tried, others) = try await retry.run {
      // Anew each time: a segment that goes meanwhile makes the statement fail.
      let segments = try await living(slugs)
      let tried = rows.filter { row in row.slug.map { segments[$0] != nil } ?? false }
      let others = rows.filter { row in row.slug.map { segments[$0] == nil } ?? true }
      let parameters = ImportSQL.insertParameters(tried, segments, by: caller)
      let result = try await pool.query(
        MembershipSQL.insertNew, parameters, holding: Set(tried.map(\.user)), deadline: caller.deadline)
      return (result, tried, others)
    }
    return try await translating {
      summary.assigned += try result.int64(0, 4)
      note(try AuditPosition(result, row: 0, column: 1))
      let present = try (0..<result.rowCount).compactMap { row in
        try result.optionalInt64(row, 0).map { tried[Int($0) - 1] }
      }
      return others + present
    }
  }

  /// Looks at what is there, decides by the policy, and writes what that comes to.
  private func apply(_ rows: [Candidate]) async throws(SegmentationError) {
    let retry = Retry(pool: pool, settings: settings, deadline: caller.deadline)
    let (verdicts, written) = try await retry.run {
      let look = try await lookCompleting(rows)
      let enrolled = try await enrolledWithImport(rows, look)
      let verdicts = rows.map { row in
        look.users.contains(row.user)
          ? ImportVerdict(row, on: look, options, isEnrolled: enrolled.contains(row.number)) : .unknown(row.user)
      }
      let changes = verdicts.compactMap(\.change)
      if changes.isEmpty { return (verdicts, nil as AuditPosition?) }
      let result = try await pool.query(
        MembershipSQL.write, ImportSQL.writeParameters(changes, by: caller),
        holding: Set(changes.filter(\.kind.bringsIn).map(\.user)), deadline: caller.deadline)
      return (verdicts, try AuditPosition(result, row: 0, column: 0))
    }
    note(written)
    for (row, verdict) in zip(rows, verdicts) { count(row, verdict) }
  }

  /// Looks at what is there, after making again what the import may make and somebody deleted since it was let in: none of
  /// its rows is ever rejected for want of that.
  private func lookCompleting(_ rows: [Candidate]) async throws -> MembershipLook {
    let found = try await look(at: rows)
    let absent = absent(rows, from: found)
    if absent.isEmpty { return found }
    let users = Set(absent.map(\.user)).subtracting(found.users)
    if options.createUsers, !users.isEmpty { _ = try await create(users.sorted()) }
    if options.createSegments { try await createSegments(for: absent) }
    let look = try await look(at: rows)
    guard self.absent(rows, from: look).isEmpty else {
      throw PostgresError(.server, "what an import made went at once", sqlState: .serializationFailure)
    }
    return look
  }

  /// The rows whose membership is there because outreach covered a user that this import made known: it did not know of them then.
  private func enrolledWithImport(_ rows: [Candidate], _ look: MembershipLook) async throws -> Set<Int64> {
    guard let since = creations.min() else { return [] }
    let asked = rows.compactMap { row in
      row.slug.flatMap { look.segments[.slug($0)] }.map { (row: row, segment: $0.id) }
    }.filter { look.state(of: $0.row.user, in: $0.segment) == .present(nil) }
    if asked.isEmpty { return [] }
    let result = try await pool.query(
      ImportSQL.enrolledSince,
      [.int64Array(asked.map(\.row.user.number)), .int64Array(asked.map(\.segment.number)), .timestamp(since)],
      deadline: caller.deadline)
    return try Set(
      (0..<result.rowCount).filter { creations.contains(try result.timestamp($0, 1)) }
        .map { asked[Int(try result.int64($0, 0)) - 1].row.number })
  }

  /// The rows whose user or segment is not there, and may be made.
  private func absent(_ rows: [Candidate], from look: MembershipLook) -> [Candidate] {
    rows.filter { row in
      options.createUsers && !look.users.contains(row.user)
        || options.createSegments && row.slug.map { look.segments[.slug($0)] == nil } ?? false
    }
  }

  func look(at rows: [Candidate]) async throws -> MembershipLook {
    let parameters = MembershipLook.parameters(
      users: Set(rows.map(\.user)), references: Set(rows.compactMap { $0.slug.map { .slug($0) } }), requests: [])
    return try MembershipLook(
      try await pool.query(MembershipLook.statement, parameters, deadline: caller.deadline))
  }

  func count(_ row: Candidate, _ verdict: ImportVerdict) {
    switch verdict {
    case .assigned: summary.assigned += 1
    case .renewed: summary.renewed += 1
    case .present: summary.alreadyPresent += 1
    case .rejected(let reason, let message): reject(row.number, reason, message)
    }
  }
}
