/// What the domain answers instead of a result, in the customer's words.
package enum SegmentationError: Error, Hashable, Sendable {
  /// A value that cannot be: `field` as the contract calls it (`assign[2].ttl`), `reason` goes on after its name.
  case invalid(field: String, reason: String)
  case segmentNotFound(SegmentReference)
  case segmentAlreadyExists(Slug)
  /// The segment is not as the caller's etag says.
  case segmentChanged(SegmentReference)
  case userNotFound(UserID)
  case userAlreadyExists(UserID)
  /// The user is in these segments already, and that was to fail.
  case membershipAlreadyExists(UserID, [SegmentReference])
  /// The user is not in these segments, and that was to fail.
  case membershipNotFound(UserID, [SegmentReference])
  /// Others have to expire first.
  case tooManyReports
  /// There is no such report, or it has expired.
  case reportNotFound(String)
  case consumerNotFound(ConsumerName)
  /// What comes behind the audit token in `field` is not kept any more, at least not all of it; `earliest` is the oldest that works.
  case tokenTooOld(field: String, earliest: String)
  /// Records that a reading had still to come to are not kept any more.
  case auditDropped(earliest: String)
  /// The request id was used for another request.
  case requestIDReused(RequestID)
  /// The database cannot be reached, or the connection was lost: whether a change took effect is unknown.
  case unavailable
  /// Too many callers wait.
  case exhausted(retryAfter: Duration)
  /// The deadline passed: whether a change took effect is unknown.
  case deadlineExceeded
  /// The caller went away.
  case cancelled
  /// Others changed the same things over and over; nothing was changed.
  case aborted
  /// What took effect by the instant that was asked for is still being written.
  case unsettled
  /// The database's schema is older than this program: numbers of migrations.
  case notMigrated(current: Int, needed: Int)
  /// The database's schema is newer than this program, or differs from it: for operators.
  case schemaMismatch(String)
  /// Anything else; the text is for the log, never for callers.
  case `internal`(String)
}

extension SegmentationError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .invalid(let field, let reason): "\(field) \(reason)"
    case .segmentNotFound(let reference): "segment \(reference) not found"
    case .segmentAlreadyExists(let slug): "segment \(slug) already exists"
    case .segmentChanged(let reference): "segment \(reference) has changed since it was read"
    case .userNotFound(let user): "user \(user) not found"
    case .userAlreadyExists(let user): "user \(user) already exists"
    case .membershipAlreadyExists(let user, let segments): "user \(user) is already in \(Self.list(segments))"
    case .membershipNotFound(let user, let segments): "user \(user) is not in \(Self.list(segments))"
    case .tooManyReports: "there are too many reports; others have to expire first"
    case .reportNotFound(let id): "report \(id) not found"
    case .consumerNotFound(let consumer): "consumer \(consumer) not found"
    case .tokenTooOld(let field, _): "\(field) is older than what is kept of the audit log"
    case .auditDropped: "records that were still to be read are not kept any more"
    case .requestIDReused: "the request id was used for another request"
    case .unavailable: "the database is not available"
    case .exhausted: "too many requests wait for the database"
    case .deadlineExceeded: "the deadline passed"
    case .cancelled: "the caller went away"
    case .aborted: "too many concurrent changes of the same things"
    case .unsettled: "changes that took effect by that instant are still being written"
    case .notMigrated(let current, let needed): "the database is at migration \(current) and needs \(needed)"
    case .schemaMismatch(let reason): reason
    case .internal(let text): text
    }
  }

  private static func list(_ segments: [SegmentReference]) -> String {
    let shown = segments.prefix(5).map(\.description).joined(separator: ", ")
    return segments.count > 5 ? "\(shown) and \(segments.count - 5) more" : shown
  }
}
