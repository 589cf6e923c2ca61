import Postgres

/// What a batch of updates finds in the database, at one instant.
struct MembershipLook: Sendable {
  /// A segment that lives.
  struct Living: Hashable, Sendable {
    let id: SegmentID
    let slug: Slug
  }

  /// A membership that has a row, whether or not its time is up.
  struct Pair: Hashable, Sendable {
    let user: UserID
    let segment: SegmentID
  }

  /// The database's clock.
  private(set) var clock = Timestamp(microseconds: 0)
  /// How long after the look what is decided upon it is thought to be written.
  var delay = Duration.zero
  private(set) var users: Set<UserID> = []
  private(set) var segments: [SegmentReference: Living] = [:]
  /// The expiry of every membership that has a row.
  private(set) var expiries: [Pair: Timestamp?] = [:]
  private(set) var answers: [RequestID: RequestLedger.Entry] = [:]

  /// $1 users, $2 slugs, $3 segment ids, $4 request ids. Rows of several kinds, by their first column.
  static let statement = Statement(
    "membership_look", planning: .once,
    """
    WITH named AS MATERIALIZED (
      SELECT id, slug FROM segmentd.segments WHERE slug = ANY ($2) AND deleted_at IS NULL
      UNION
      SELECT id, slug FROM segmentd.segments WHERE id = ANY ($3) AND deleted_at IS NULL
    )
    SELECT 0 AS kind, NULL::bigint AS a, NULL::bigint AS b, statement_timestamp() AS instant, NULL::text AS s,
      NULL::text AS t, NULL::bigint AS x, NULL::bigint AS y, NULL::bigint AS z
    UNION ALL
    SELECT 1, user_id, NULL, NULL, NULL, NULL, NULL, NULL, NULL
    FROM segmentd.users WHERE user_id = ANY ($1)
    UNION ALL
    SELECT 2, id, NULL, NULL, slug, NULL, NULL, NULL, NULL FROM named
    UNION ALL
    SELECT 3, m.user_id, m.segment_id, m.expires_at, NULL, NULL, NULL, NULL, NULL
    FROM segmentd.memberships AS m
    -- By the user's rows: a segment may have any number of them.
    WHERE m.user_id = ANY ($1) AND m.segment_id + 0 = ANY (ARRAY(SELECT id FROM named))
    UNION ALL
    SELECT 4, NULL, NULL, NULL, request_id, fingerprint, audit_era, audit_xid::text::bigint, audit_sequence
    FROM segmentd.requests WHERE request_id = ANY ($4)
    UNION ALL
    SELECT 5, NULL, NULL, NULL, request_id, answer, NULL, NULL, NULL
    FROM segmentd.requests WHERE request_id = ANY ($4)
    """)

  static func parameters(
    users: Set<UserID>, references: Set<SegmentReference>, requests: [RequestID]
  ) -> [Parameter] {
    [
      .int64Array(users.map(\.number)), .textArray(references.compactMap(\.slugText)),
      .int64Array(references.compactMap(\.idNumber)), .textArray(requests.map(\.text)),
    ]
  }

  init() {}

  init(_ result: PostgresResult) throws {
    var fingerprints: [String: (String, AuditPosition?)] = [:]
    for row in 0..<result.rowCount {
      switch try result.int32(row, 0) {
      case 0: clock = try result.timestamp(row, 3)
      case 1: users.insert(UserID(stored: try result.int64(row, 1)))
      case 2: note(id: try result.int64(row, 1), slug: try result.text(row, 4))
      case 3:
        let pair = Pair(
          user: UserID(stored: try result.int64(row, 1)), segment: SegmentID(stored: try result.int64(row, 2)))
        expiries[pair] = .some(try result.optionalTimestamp(row, 3))
      case 4:
        let position = try AuditPosition(result, row: row, column: 6)
        fingerprints[try result.text(row, 4)] = (try result.text(row, 5), position)
      default:
        let text = try result.text(row, 4)
        guard let (fingerprint, position) = fingerprints[text] else { continue }
        let entry = RequestLedger.Entry(
          fingerprint: fingerprint, answer: try result.text(row, 5), position: position)
        answers[try RequestID(text)] = entry
      }
    }
  }

  private mutating func note(id: Int64, slug: String) {
    let living = Living(id: SegmentID(stored: id), slug: Slug(stored: slug))
    segments[.id(living.id)] = living
    segments[.slug(living.slug)] = living
  }

  /// How a membership stands at the look's instant.
  enum State: Hashable, Sendable {
    case absent
    /// Its time is up and no sweep has ended it yet: counts as absent.
    case expired(Timestamp)
    case present(Timestamp?)
  }

  func state(of user: UserID, in segment: SegmentID) -> State {
    guard let expiry = expiries[Pair(user: user, segment: segment)] else { return .absent }
    guard let expiry else { return .present(nil) }
    return expiry <= clock ? .expired(expiry) : .present(expiry)
  }

  #if DEBUG
    /// A look for tests of what is decided upon it.
    init(
      clock: Timestamp, users: Set<UserID>, segments: [Living], expiries: [Pair: Timestamp?],
      answers: [RequestID: RequestLedger.Entry] = [:]
    ) {
      self.clock = clock
      self.users = users
      self.expiries = expiries
      self.answers = answers
      for living in segments { note(id: living.id.number, slug: living.slug.text) }
    }
  #endif
}
