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
