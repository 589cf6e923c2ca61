import Postgres

/// A change of one membership, with the state that it was decided upon: the statement that makes it verifies that. Or no
/// change, but a state that others were decided upon: that is verified, and held until they have committed.
struct MembershipChange: Hashable, Sendable {
  /// The numbers are the statement's.
  enum Kind: Int32, Sendable {
    /// There is no row.
    case assign = 1
    /// There is a row whose time is up: it ends first, then the membership begins anew.
    case reassign = 2
    case renew = 3
    case remove = 4
    /// There is a row whose time is not up: it stays as it is.
    case keep = 5
    /// There is a row whose time is up: it stays for the sweeper.
    case leaveExpired = 6
    /// There is no row, and there is to be none.
    case leaveAbsent = 7
    /// There is a row because of outreach: it ends, and the membership begins anew for another reason.
    case takeOver = 8

    /// Whether the user is in behind it and was not before.
    var bringsIn: Bool { self == .assign || self == .reassign }
  }

  let user: UserID
  let segment: SegmentID
  let slug: Slug
  let kind: Kind
  /// Of the row that is there.
  let found: Timestamp?
  let expiresAt: Timestamp?
}

/// What an update comes to, by what was found. Pure: the database is not asked again.
struct MembershipDecision: Sendable {
  var changes: [MembershipChange] = []
  /// What the update leaves as it is: it must be so still when the changes are made. Empty when there are none.
  private(set) var unchanged: [MembershipChange] = []
  /// Slugs that no living segment had: as `unchanged`.
  private(set) var unused: [Slug] = []
  var outcomes: [SegmentOutcome] = []
  var createsUser = false

  /// - Throws: What the update is refused with, in the order: the user, its segments, their expiries, the policies.
  init(_ update: MembershipUpdate, on look: MembershipLook) throws(SegmentationError) {
    if !look.users.contains(update.user) {
      guard update.createUser else { throw .userNotFound(update.user) }
      createsUser = true
    }
    let segments = try Self.resolve(update, look)
    var present: [SegmentReference] = []
    for (index, assignment) in update.assign.enumerated() {
      guard let living = segments[index] else { continue }
      let expiry = try assignment.expiry.instant(at: look.clock, delay: look.delay, field: update.field(index))
      if !assign(living, expiry, assignment.segment, update, look) { present.append(assignment.segment) }
    }
    guard present.isEmpty else { throw .membershipAlreadyExists(update.user, present) }
    var missing: [SegmentReference] = []
    for (index, reference) in update.remove.enumerated() {
      if !remove(segments[update.assign.count + index], reference, update, look) { missing.append(reference) }
    }
    guard missing.isEmpty else { throw .membershipNotFound(update.user, missing) }
    if changes.isEmpty {
      // All of the answer was so at the look's instant.
      unchanged = []
      unused = []
    }
  }

  /// Whether the statement that makes the changes is followed by `MembershipSQL.clear`.
  var needsClearing: Bool { !unused.isEmpty || unchanged.contains { $0.kind == .leaveAbsent } }

  /// The living segment of each reference; nil for one to remove that does not exist and may be missing.
  private static func resolve(
    _ update: MembershipUpdate, _ look: MembershipLook
  ) throws(SegmentationError) -> [MembershipLook.Living?] {
    var seen: Set<SegmentID> = []
    var resolved: [MembershipLook.Living?] = []
    for (index, reference) in update.references.enumerated() {
      let living = look.segments[reference]
      if let living {
        guard seen.insert(living.id).inserted else {
          let field = update.field(index) + (index < update.assign.count ? ".segment" : "")
          throw .invalid(field: field, reason: "names a segment a second time")
        }
      } else if index < update.assign.count || update.missingPolicy == .fail {
        throw .segmentNotFound(reference)
      }
      resolved.append(living)
    }
    return resolved
  }

  /// False when the user is in and that is to fail.
  private mutating func assign(
    _ living: MembershipLook.Living, _ expiry: Timestamp?, _ reference: SegmentReference, _ update: MembershipUpdate,
    _ look: MembershipLook
  ) -> Bool {
    let step = Self.step(
      look.state(of: update.user, in: living.id), wanting: expiry, policy: update.presentPolicy)
    guard let step else { return false }
    let change = MembershipChange(
      user: update.user, segment: living.id, slug: living.slug, kind: step.kind ?? .keep, found: step.found,
      expiresAt: step.expiresAt)
    if step.kind == nil { unchanged.append(change) } else { changes.append(change) }
    outcomes.append(
      SegmentOutcome(
        reference: reference, segment: living.id, slug: living.slug, outcome: step.outcome, expiresAt: step.expiresAt))
    return true
  }

  /// False when the user is not in and that is to fail.
  private mutating func remove(
    _ living: MembershipLook.Living?, _ reference: SegmentReference, _ update: MembershipUpdate, _ look: MembershipLook
  ) -> Bool {
    guard let living else {
      if case .slug(let slug) = reference { unused.append(slug) }
      outcomes.append(
        SegmentOutcome(reference: reference, segment: nil, slug: nil, outcome: .segmentNotFound, expiresAt: nil))
      return true
    }
    let kind: MembershipChange.Kind
    let found: Timestamp?
    switch look.state(of: update.user, in: living.id) {
    case .present(let expiry): (kind, found) = (.remove, expiry)
    case .expired(let expiry): (kind, found) = (.leaveExpired, expiry)
    case .absent: (kind, found) = (.leaveAbsent, nil)
    }
    guard kind == .remove || update.missingPolicy == .ignore else { return false }
    let change = MembershipChange(
      user: update.user, segment: living.id, slug: living.slug, kind: kind, found: found,
      expiresAt: kind == .remove ? nil : found)
    if kind == .remove { changes.append(change) } else { unchanged.append(change) }
    outcomes.append(
      SegmentOutcome(
        reference: reference, segment: living.id, slug: living.slug, outcome: kind == .remove ? .removed : .notPresent,
        expiresAt: nil))
    return true
  }

  /// What assigning a membership comes to.
  struct Step: Hashable, Sendable {
    /// Nil when nothing is to be written.
    let kind: MembershipChange.Kind?
    let found: Timestamp?
    let outcome: MembershipOutcome
    /// Until when the user is in then.
    let expiresAt: Timestamp?
  }

  /// Nil when the user is in and that is to fail.
  static func step(_ state: MembershipLook.State, wanting expiry: Timestamp?, policy: PresentPolicy) -> Step? {
    switch state {
    case .absent: return Step(kind: .assign, found: nil, outcome: .assigned, expiresAt: expiry)
    case .expired(let found): return Step(kind: .reassign, found: found, outcome: .assigned, expiresAt: expiry)
    case .present(let found):
      switch policy {
      case .fail: return nil
      case .keep: return Step(kind: nil, found: found, outcome: .kept, expiresAt: found)
      case .replaceExpiry:
        if found == expiry { return Step(kind: nil, found: found, outcome: .kept, expiresAt: found) }
        return Step(kind: .renew, found: found, outcome: .renewed, expiresAt: expiry)
      }
    }
  }
}
