import Postgres

/// What one row comes to, by what was found.
enum ImportVerdict: Sendable {
  /// With the change that does it; nil when the segment is only foretold.
  case assigned(MembershipChange?)
  case renewed(MembershipChange)
  case present
  case rejected(ImportRejection.Reason, String)

  /// - Parameters:
  ///   - candidate: A row with a segment.
  ///   - isEnrolled: What is found is there only because the user became known: that is not in the way.
  init(
    _ candidate: ImportSession.Candidate, on look: MembershipLook, _ options: ImportOptions, isEnrolled: Bool = false
  ) {
    guard let slug = candidate.slug, let living = look.segments[.slug(slug)] else {
      self = .rejected(.segmentNotFound, "segment \(candidate.slug?.text ?? "") not found")
      return
    }
    if let expiry = candidate.expiresAt, expiry <= look.clock {
      self = Self.inThePast
      return
    }
    if isEnrolled {
      self = .assigned(
        MembershipChange(
          user: candidate.user, segment: living.id, slug: slug, kind: .takeOver, found: nil,
          expiresAt: candidate.expiresAt))
      return
    }
    let state = look.state(of: candidate.user, in: living.id)
    let step = MembershipDecision.step(state, wanting: candidate.expiresAt, policy: options.presentPolicy)
    guard let step else {
      self = .rejected(.alreadyPresent, "user \(candidate.user) is already in \(slug)")
      return
    }
    guard let kind = step.kind else {
      self = .present
      return
    }
    let change = MembershipChange(
      user: candidate.user, segment: living.id, slug: slug, kind: kind, found: step.found, expiresAt: step.expiresAt)
    self = kind == .renew ? .renewed(change) : .assigned(change)
  }

  /// What is to be written.
  var change: MembershipChange? {
    switch self {
    case .assigned(let change): change
    case .renewed(let change): change
    case .present, .rejected: nil
    }
  }

  static func unknown(_ user: UserID) -> ImportVerdict { .rejected(.userNotFound, "user \(user) not found") }

  static let inThePast = ImportVerdict.rejected(.invalidExpiry, "expires_at must be in the future")
}
