import Postgres

/// What an import that only validates would have made so far. It grows with the rows that would change something.
struct ImportForecast: Sendable {
  struct Pair: Hashable, Sendable {
    let user: UserID
    let slug: Slug
  }

  var users: Set<UserID> = []
  var segments: Set<Slug> = []
  /// Memberships, and their expiry.
  var memberships: [Pair: Timestamp?] = [:]
}

extension ImportSession {
  /// Counts what rows would do, by what is in the database and what earlier rows would have done. Outreach is left out: a new
  /// user's row for a segment that covers it is assigned like any other.
  func foretell(_ candidates: [Candidate]) async throws(SegmentationError) {
    guard !candidates.isEmpty else { return }
    let look: MembershipLook = try await translating { try await self.look(at: candidates) }
    for candidate in candidates {
      guard foretellUser(candidate, look) else { continue }
      guard let slug = candidate.slug else {
        summary.usersOnly += 1
        continue
      }
      guard foretellSegment(candidate, slug, look) else { continue }
      foretellMembership(candidate, slug, look)
    }
  }

  private func foretellUser(_ candidate: Candidate, _ look: MembershipLook) -> Bool {
    if look.users.contains(candidate.user) || forecast.users.contains(candidate.user) { return true }
    guard options.createUsers else {
      reject(candidate.number, .userNotFound, "user \(candidate.user) not found")
      return false
    }
    forecast.users.insert(candidate.user)
    summary.usersCreated += 1
    return true
  }

  private func foretellSegment(_ candidate: Candidate, _ slug: Slug, _ look: MembershipLook) -> Bool {
    if look.segments[.slug(slug)] != nil || forecast.segments.contains(slug) { return true }
    guard options.createSegments else {
      reject(candidate.number, .segmentNotFound, "segment \(slug) not found")
      return false
    }
    forecast.segments.insert(slug)
    summary.segmentsCreated += 1
    return true
  }

  private func foretellMembership(_ candidate: Candidate, _ slug: Slug, _ look: MembershipLook) {
    if let expiry = candidate.expiresAt, expiry <= look.clock { return count(candidate, ImportVerdict.inThePast) }
    let pair = ImportForecast.Pair(user: candidate.user, slug: slug)
    var state = look.segments[.slug(slug)].map { look.state(of: candidate.user, in: $0.id) } ?? .absent
    if let foretold = forecast.memberships[pair] { state = .present(foretold) }
    let step = MembershipDecision.step(state, wanting: candidate.expiresAt, policy: options.presentPolicy)
    guard let step else {
      return count(candidate, .rejected(.alreadyPresent, "user \(candidate.user) is already in \(slug)"))
    }
    if step.kind != nil { forecast.memberships[pair] = .some(step.expiresAt) }
    switch step.outcome {
    case .assigned: summary.assigned += 1
    case .renewed: summary.renewed += 1
    default: summary.alreadyPresent += 1
    }
  }
}
