import Postgres

/// The statements that only an import needs.
enum ImportSQL {
  /// $1 users: those of them that are known.
  static let knownUsers = Statement(
    "import_known_users",
    """
    SELECT user_id FROM segmentd.users WHERE user_id = ANY ($1)
    """)

  /// $1 slugs: the living segments of them.
  static let livingSegments = Statement(
    "import_living_segments",
    """
    SELECT id, slug FROM segmentd.segments WHERE slug = ANY ($1) AND deleted_at IS NULL
    """)

  /// $1 slugs, each once. A row for each segment that is new.
  static let createSegments = Statement(
    "import_create_segments",
    """
    INSERT INTO segmentd.segments (slug)
    SELECT s.slug FROM unnest($1) AS s(slug) ORDER BY s.slug
    ON CONFLICT (slug) WHERE deleted_at IS NULL DO NOTHING
    RETURNING id
    """)

  /// By arrays, an element a membership: $1 user, $2 segment; $3 an instant. The positions (from 1) of those that are as outreach made them
  /// when the user became known, at that instant or later, and when that was.
  static let enrolledSince = Statement(
    "import_enrolled_since", planning: .once,
    """
    SELECT q.position, u.created_at
    FROM unnest($1, $2) WITH ORDINALITY AS q(user_id, segment_id, position)
      JOIN segmentd.users AS u ON u.user_id = q.user_id
      JOIN segmentd.memberships AS m ON m.user_id = q.user_id AND m.segment_id = q.segment_id
    WHERE u.created_at >= $3 AND m.cause = 3 AND m.assigned_at = u.created_at AND m.expires_at IS NULL
    """)

  /// Of `MembershipSQL.insertNew`; every row has a segment that lived a moment ago.
  static func insertParameters(
    _ rows: [ImportSession.Candidate], _ segments: [Slug: SegmentID], by caller: Caller
  ) -> [Parameter] {
    let ids = rows.map { $0.slug.flatMap { segments[$0] }?.number ?? 0 }
    return [
      .int64Array(rows.map(\.user.number)), .int64Array(ids), .optionalTimestampArray(rows.map(\.expiresAt)),
      .textArray(rows.map { $0.slug?.text ?? "" }), .text(caller.loggedActor),
      .optionalText(caller.requestID?.text), .int64Array(Set(ids).sorted()),
      .int64Array(Set(rows.map(\.user.number)).sorted()),
    ]
  }

  /// Of `MembershipSQL.write`.
  static func writeParameters(_ changes: [MembershipChange], by caller: Caller) -> [Parameter] {
    let actor = caller.loggedActor
    return [
      .int64Array(changes.map(\.user.number)), .int64Array(changes.map(\.segment.number)),
      .int32Array(changes.map(\.kind.rawValue)), .optionalTimestampArray(changes.map(\.found)),
      .optionalTimestampArray(changes.map(\.expiresAt)), .textArray(changes.map(\.slug.text)),
      .int32Array(changes.map { _ in Int32(AuditCause.import.rawValue) }), .textArray(changes.map { _ in actor }),
      .optionalTextArray(changes.map { _ in caller.requestID?.text }), .textArray([]), .textArray([]), .textArray([]),
      .boolArray([]), .int64Array(Set(changes.map(\.segment.number)).sorted()),
      .int64Array(Set(changes.filter(\.kind.bringsIn).map(\.user.number)).sorted()),
    ]
  }
}
