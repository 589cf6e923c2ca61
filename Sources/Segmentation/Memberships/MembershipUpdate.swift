import Postgres

/// One segment to assign, and until when.
package struct SegmentAssignment: Hashable, Sendable {
  package var segment: SegmentReference
  package var expiry: Expiry

  package init(_ segment: SegmentReference, _ expiry: Expiry = .never) {
    self.segment = segment
    self.expiry = expiry
  }
}

/// What to change for one user: all of it happens, or nothing.
package struct MembershipUpdate: Hashable, Sendable {
  package var user: UserID
  package var assign: [SegmentAssignment]
  package var remove: [SegmentReference]
  package var presentPolicy: PresentPolicy
  package var missingPolicy: MissingPolicy
  /// Make the user known first if it is not.
  package var createUser: Bool
  /// Tell what would happen, and change nothing.
  package var validateOnly: Bool

  package init(
    user: UserID, assign: [SegmentAssignment] = [], remove: [SegmentReference] = [],
    presentPolicy: PresentPolicy = .fail, missingPolicy: MissingPolicy = .fail, createUser: Bool = false,
    validateOnly: Bool = false
  ) {
    self.user = user
    self.assign = assign
    self.remove = remove
    self.presentPolicy = presentPolicy
    self.missingPolicy = missingPolicy
    self.createUser = createUser
    self.validateOnly = validateOnly
  }

  /// Every segment that it names, those to assign first.
  var references: [SegmentReference] { assign.map(\.segment) + remove }

  /// - Throws: `SegmentationError.invalid` when it names nothing, too much, or the same reference twice.
  func check(_ settings: SegmentationSettings) throws(SegmentationError) {
    let count = assign.count + remove.count
    guard count <= settings.maximumItemsPerUpdate else {
      throw .invalid(
        field: assign.isEmpty ? "remove" : "assign",
        reason: "must have at most \(settings.maximumItemsPerUpdate) entries, assign and remove together")
    }
    for (index, assignment) in assign.enumerated() {
      if case .after(let microseconds) = assignment.expiry, microseconds <= 0 {
        throw .invalid(field: "assign[\(index)].ttl", reason: "must be positive")
      }
    }
  }

  /// The name of the entry in errors; `index` counts through `references`.
  func field(_ index: Int) -> String {
    index < assign.count ? "assign[\(index)]" : "remove[\(index - assign.count)]"
  }

  /// What a repeated request must have in common with the first one.
  var fingerprintText: String {
    var lines = ["UpdateUserSegments", "\(user)", presentPolicy.rawValue, missingPolicy.rawValue, "\(createUser)"]
    for assignment in assign {
      switch assignment.expiry {
      case .never: lines.append("+ \(assignment.segment.fingerprint)")
      case .at(let instant): lines.append("+ \(assignment.segment.fingerprint) at \(instant.microseconds)")
      case .after(let microseconds): lines.append("+ \(assignment.segment.fingerprint) after \(microseconds)")
      }
    }
    for reference in remove { lines.append("- \(reference.fingerprint)") }
    return lines.joined(separator: "\n")
  }
}

/// What became of one segment of an update.
package struct SegmentOutcome: Hashable, Sendable {
  /// As the request named it.
  package var reference: SegmentReference
  /// Nil when there is no such segment.
  package var segment: SegmentID?
  /// Nil when there is no such segment.
  package var slug: Slug?
  package var outcome: MembershipOutcome
  /// Until when the user is in now; nil: without end, or not in.
  package var expiresAt: Timestamp?
}

/// What an update did.
package struct MembershipUpdateResult: Sendable {
  /// Those to assign in the request's order, then those to remove in theirs.
  package var outcomes: [SegmentOutcome]
  package var userCreated: Bool
  /// Behind the audit records of the update; nil when nothing changed.
  package var token: AuditToken?
}
