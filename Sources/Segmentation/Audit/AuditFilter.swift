import Postgres

/// Which records a reader wants. All that is given must hold; nil lets everything through, an empty set nothing.
package struct AuditFilter: Hashable, Sendable {
  package var users: Set<UserID>?
  /// See `AuditStore.segments(named:)`.
  package var segments: Set<SegmentID>?
  package var actions: Set<AuditAction>?
  package var causes: Set<AuditCause>?
  /// Effective at this instant or later.
  package var from: Timestamp?
  /// Effective before this instant.
  package var until: Timestamp?

  package init(
    users: Set<UserID>? = nil, segments: Set<SegmentID>? = nil, actions: Set<AuditAction>? = nil,
    causes: Set<AuditCause>? = nil, from: Timestamp? = nil, until: Timestamp? = nil
  ) {
    self.users = users
    self.segments = segments
    self.actions = actions
    self.causes = causes
    self.from = from
    self.until = until
  }

  /// - Throws: `SegmentationError.invalid` when it names too much.
  func check(_ settings: SegmentationSettings) throws(SegmentationError) {
    let most = settings.maximumFilterEntries
    if let users, users.count > most {
      throw .invalid(field: "user_ids", reason: "must have at most \(most) entries")
    }
  }

  /// Whether the record is wanted: what `condition` says in SQL.
  package func matches(_ record: AuditRecord) -> Bool {
    if let users, !users.contains(record.user) { return false }
    if let segments, !segments.contains(record.segment) { return false }
    if let actions, !actions.contains(record.action) { return false }
    if let causes, !causes.contains(record.cause) { return false }
    if let from, record.effectiveAt < from || record.recordedAt < from { return false }
    if let until, record.effectiveAt >= until { return false }
    return true
  }

  /// Whether a statement may have to pass over much of the log before it finds something. The records of users, and of one segment,
  /// have an index of their own.
  var mayBeRare: Bool {
    users == nil
      && (segments.map { $0.count != 1 } ?? false || actions != nil || causes != nil || from != nil || until != nil)
  }

  /// The condition in SQL: numbers only, so there is nothing to quote.
  var condition: String {
    var terms: [String] = []
    func isOne(_ column: String, of numbers: [Int64]?) {
      guard let numbers else { return }
      let list = numbers.sorted().map(String.init).joined(separator: ",")
      terms.append(numbers.isEmpty ? "false" : "\(column) IN (\(list))")
    }
    isOne("user_id", of: users?.map(\.number))
    isOne("segment_id", of: segments?.map(\.number))
    isOne("action", of: actions?.map { Int64($0.rawValue) })
    isOne("cause", of: causes?.map { Int64($0.rawValue) })
    if let from {
      // Nothing is recorded before it is effective: older partitions hold nothing of interest.
      terms.append("effective_at >= \(Self.literal(from)) AND recorded_at >= \(Self.literal(from))")
    }
    if let until { terms.append("effective_at < \(Self.literal(until))") }
    return terms.isEmpty ? "true" : terms.joined(separator: " AND ")
  }

  /// The instant in SQL, without quoting anything.
  static func literal(_ instant: Timestamp) -> String {
    if instant == .distantFuture { return "'infinity'::timestamptz" }
    if instant == .distantPast { return "'-infinity'::timestamptz" }
    // In two parts: an interval counts microseconds in floating point.
    let (seconds, rest) = instant.microseconds.quotientAndRemainder(dividingBy: 1_000_000)
    return "('epoch'::timestamptz + \(seconds) * interval '1 second' + \(rest) * interval '1 microsecond')"
  }
}
