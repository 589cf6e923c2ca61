import Postgres

/// How to import.
package struct ImportOptions: Hashable, Sendable {
  /// Make users known that are not; else their rows are rejected.
  package var createUsers: Bool
  /// Create segments that do not exist; else their rows are rejected.
  package var createSegments: Bool
  package var presentPolicy: PresentPolicy
  /// Rejected rows that are told one by one.
  package var maximumRejections: Int
  /// Tell what would happen, and change nothing.
  package var validateOnly: Bool

  package init(
    createUsers: Bool = false, createSegments: Bool = false, presentPolicy: PresentPolicy = .keep,
    maximumRejections: Int = 1000, validateOnly: Bool = false
  ) {
    self.createUsers = createUsers
    self.createSegments = createSegments
    self.presentPolicy = presentPolicy
    self.maximumRejections = maximumRejections
    self.validateOnly = validateOnly
  }
}

/// One user to put into one segment, as the caller wrote it: what is wrong with it becomes a rejection.
package struct ImportRow: Hashable, Sendable {
  package var user: Int64
  /// A slug; empty only makes the user known.
  package var segment: String
  package var expiresAt: Timestamp?

  package init(user: Int64, segment: String, expiresAt: Timestamp? = nil) {
    self.user = user
    self.segment = segment
    self.expiresAt = expiresAt
  }
}

/// One row that could not be imported.
package struct ImportRejection: Hashable, Sendable {
  /// Why, for programs.
  package enum Reason: Hashable, Sendable {
    case invalidUser
    case invalidSlug
    case invalidExpiry
    case userNotFound
    case segmentNotFound
    case alreadyPresent
  }

  /// Its number in the import, from 0.
  package let row: Int64
  package let reason: Reason
  /// Why, for people.
  package let message: String
}

/// What an import did so far. Each row is counted once in `assigned`, `renewed`, `alreadyPresent`, `rejected` or
/// `usersOnly`.
package struct ImportSummary: Sendable {
  package internal(set) var rows: Int64 = 0
  package internal(set) var assigned: Int64 = 0
  package internal(set) var renewed: Int64 = 0
  package internal(set) var alreadyPresent: Int64 = 0
  package internal(set) var rejected: Int64 = 0
  package internal(set) var usersOnly: Int64 = 0
  package internal(set) var usersCreated: Int64 = 0
  package internal(set) var segmentsCreated: Int64 = 0
  /// The first ones, in the order of the rows.
  package internal(set) var rejections: [ImportRejection] = []
  /// Behind the audit records of the import; nil when nothing changed.
  package internal(set) var token: AuditToken?

  /// Adds what the rows of `later` came to since it was `earlier`.
  mutating func add(_ later: ImportSummary, since earlier: ImportSummary) {
    rows += later.rows - earlier.rows
    assigned += later.assigned - earlier.assigned
    renewed += later.renewed - earlier.renewed
    alreadyPresent += later.alreadyPresent - earlier.alreadyPresent
    rejected += later.rejected - earlier.rejected
    usersOnly += later.usersOnly - earlier.usersOnly
  }
}
