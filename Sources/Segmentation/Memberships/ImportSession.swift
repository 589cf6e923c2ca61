import Postgres

/// One import. Rows go to the database in chunks of some thousands, a few statements each; a chunk that is done stays
/// done when a later one fails, and importing the same rows again is safe. Used by one task at a time.
///
///     add ─► chunk full ─► users, segments ─► new memberships ─► what is left over, by the policy
///     finish ─► the last chunk ─► summary
package final class ImportSession: @unchecked Sendable {
  /// A row that is fit for the database.
  struct Candidate: Sendable {
    let number: Int64
    let user: UserID
    /// Nil: only makes the user known.
    let slug: Slug?
    let expiresAt: Timestamp?
  }

  let pool: PostgresPool
  let installation: Installation
  let settings: SegmentationSettings
  let options: ImportOptions
  let caller: Caller
  var summary = ImportSummary()
  var position: AuditPosition?
  private var buffer: [ImportRow] = []
  /// The number of the first row in the buffer.
  private var firstNumber: Int64 = 0
  private var rejections: [ImportRejection] = []
  /// When it made users known: one instant for each chunk that did.
  var creations: Set<Timestamp> = []
  /// What a validation has seen so far and does not find in the database.
  var forecast = ImportForecast()

  init(
    pool: PostgresPool, installation: Installation, settings: SegmentationSettings, options: ImportOptions,
    caller: Caller
  ) {
    self.pool = pool
    self.installation = installation
    self.settings = settings
    self.options = options
    self.caller = caller
  }

  /// What the whole chunks did so far.
  package var progress: ImportSummary { summary }

  /// Takes rows, and imports them chunk by chunk.
  /// - Throws: `SegmentationError`; what is wrong with single rows is told at the end.
  package func add(_ rows: [ImportRow]) async throws(SegmentationError) {
    var rest = rows[...]
    while !rest.isEmpty {
      let taken = rest.prefix(settings.importChunk - buffer.count)
      buffer.append(contentsOf: taken)
      rest = rest.dropFirst(taken.count)
      if buffer.count >= settings.importChunk { try await flush() }
    }
  }

  /// Imports the rows that are left.
  /// - Returns: What the import did.
  /// - Throws: `SegmentationError`.
  package func finish() async throws(SegmentationError) -> ImportSummary {
    try await flush()
    if let position {
      summary.token = AuditToken(try await installation.identity(deadline: caller.deadline), position)
    }
    return summary
  }

  func reject(_ row: Int64, _ reason: ImportRejection.Reason, _ message: String) {
    summary.rejected += 1
    rejections.append(ImportRejection(row: row, reason: reason, message: message))
  }

  func note(_ next: AuditPosition?) {
    guard let next else { return }
    position = max(position ?? next, next)
    installation.committed(next)
  }

  private func flush() async throws(SegmentationError) {
    guard !buffer.isEmpty else { return }
    let rows = buffer
    buffer.removeAll(keepingCapacity: true)
    let before = summary
    defer { if !options.validateOnly { installation.statistics.imported.add(summary, since: before) } }
    summary.rows += Int64(rows.count)
    let candidates = candidates(rows, from: firstNumber)
    firstNumber += Int64(rows.count)
    for pass in Self.passes(candidates) { try await run(pass) }
    // The rejections of one chunk come in the order of its steps, not of its rows.
    rejections.sort { $0.row < $1.row }
    let free = max(0, options.maximumRejections - summary.rejections.count)
    summary.rejections.append(contentsOf: rejections.prefix(free))
    rejections.removeAll(keepingCapacity: true)
  }

  private func candidates(_ rows: [ImportRow], from first: Int64) -> [Candidate] {
    var candidates: [Candidate] = []
    candidates.reserveCapacity(rows.count)
    for (offset, row) in rows.enumerated() {
      let number = first + Int64(offset)
      guard row.user > 0 else {
        reject(number, .invalidUser, "user_id must be positive")
        continue
      }
      if !row.segment.isEmpty, let complaint = Slug.complaint(about: row.segment) {
        reject(number, .invalidSlug, "segment \(complaint)")
        continue
      }
      if let expiry = row.expiresAt, expiry > Expiry.latest {
        reject(number, .invalidExpiry, "expires_at is out of range")
        continue
      }
      candidates.append(
        Candidate(
          number: number, user: UserID(stored: row.user), slug: row.segment.isEmpty ? nil : Slug(stored: row.segment),
          expiresAt: row.expiresAt))
    }
    return candidates
  }

  /// The rows in passes that name no membership twice: a later row is to find what an earlier one did.
  private static func passes(_ candidates: [Candidate]) -> [[Candidate]] {
    struct Pair: Hashable {
      let user: UserID
      let slug: Slug
    }
    var times: [Pair: Int] = [:]
    times.reserveCapacity(candidates.count)
    var passes: [[Candidate]] = []
    for candidate in candidates {
      var pass = 0
      if let slug = candidate.slug {
        pass = times[Pair(user: candidate.user, slug: slug), default: 0]
        times[Pair(user: candidate.user, slug: slug)] = pass + 1
      }
      if pass == passes.count { passes.append([]) }
      passes[pass].append(candidate)
    }
    return passes
  }
}
