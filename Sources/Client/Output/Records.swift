import Contract
import Proto

/// A segment as it is printed.
struct SegmentRecord: Record {
  static let columns: [Column] = [
    .number("id"), "slug", .number("outreach"), "description", "create_time", .number("member_count"),
  ]

  let id: Int64
  let slug: String
  let description: String
  let outreach: Double
  let outreachPpm: Int32
  let createTime: String?
  let updateTime: String?
  let etag: String
  /// Only when it was asked for.
  let memberCount: Int64?
  let rollout: RolloutRecord?

  init(_ segment: Segment, isFull: Bool = false, rollout: Rollout? = nil) {
    id = segment.id
    slug = segment.slug
    description = segment.description
    outreach = Double(segment.outreachPpm) / 1_000_000
    outreachPpm = segment.outreachPpm
    createTime = segment.createTime.map(StampFormatter.string)
    updateTime = segment.updateTime.map(StampFormatter.string)
    etag = segment.etag
    memberCount = isFull ? segment.memberCount : nil
    self.rollout = (segment.rollout ?? rollout).map(RolloutRecord.init)
  }

  var cells: [String] {
    ["\(id)", slug, "\(outreach)", description, createTime ?? "", memberCount.map { "\($0)" } ?? ""]
  }
}

/// How far a segment's change of outreach has come.
struct RolloutRecord: Record {
  static let columns: [Column] = [
    .number("id"), "segment_slug", "state", .number("from"), .number("to"), .number("users_done"),
    .number("users_total"), .number("assigned"), .number("released"), "create_time", "end_time",
  ]

  let id: Int64
  let segmentId: Int64
  let segmentSlug: String
  let state: String
  let fromPpm: Int32
  let toPpm: Int32
  let usersTotal: Int64
  let usersDone: Int64
  let assigned: Int64
  let released: Int64
  let createTime: String?
  let updateTime: String?
  let endTime: String?

  init(_ rollout: Rollout) {
    id = rollout.id
    segmentId = rollout.segmentID
    segmentSlug = rollout.segmentSlug
    state = rollout.state.name
    fromPpm = rollout.fromPpm
    toPpm = rollout.toPpm
    usersTotal = rollout.usersTotal
    usersDone = rollout.usersDone
    assigned = rollout.assigned
    released = rollout.released
    createTime = rollout.createTime.map(StampFormatter.string)
    updateTime = rollout.updateTime.map(StampFormatter.string)
    endTime = rollout.endTime.map(StampFormatter.string)
  }

  var cells: [String] {
    [
      "\(id)", segmentSlug, state, "\(Double(fromPpm) / 1_000_000)", "\(Double(toPpm) / 1_000_000)", "\(usersDone)",
      "\(usersTotal)", "\(assigned)", "\(released)", createTime ?? "", endTime ?? "",
    ]
  }
}

/// A user as it is printed.
struct UserRecord: Record {
  static let columns: [Column] = [.number("user_id"), "create_time"]

  let userId: Int64
  let createTime: String?

  init(_ user: User) {
    userId = user.id
    createTime = user.createTime.map(StampFormatter.string)
  }

  var cells: [String] { ["\(userId)", createTime ?? ""] }
}

/// What became of a user to create.
struct UserCreatedRecord: Record {
  static let columns: [Column] = [.number("user_id"), "created", "create_time", "segments"]

  let userId: Int64
  let created: Bool
  let createTime: String?
  let segments: [String]
  let auditToken: String?

  init(_ response: CreateUserResponse, userID: Int64) {
    userId = userID
    created = response.created
    createTime = response.user?.createTime.map(StampFormatter.string)
    segments = response.segments
    auditToken = response.auditToken.isEmpty ? nil : response.auditToken
  }

  var cells: [String] { ["\(userId)", "\(created)", createTime ?? "", segments.joined(separator: " ")] }
}

/// What became of a user to delete.
struct UserDeletedRecord: Record {
  static let columns: [Column] = [.number("user_id"), "deleted", "create_time", "segments"]

  let userId: Int64
  /// False when there was none.
  let deleted: Bool
  let createTime: String?
  /// That it was deprived of.
  let segments: [String]
  let auditToken: String?

  init(_ response: DeleteUserResponse, userID: Int64) {
    userId = userID
    deleted = response.user != nil
    createTime = response.user?.createTime.map(StampFormatter.string)
    segments = response.segments
    auditToken = response.auditToken.isEmpty ? nil : response.auditToken
  }

  var cells: [String] { ["\(userId)", "\(deleted)", createTime ?? "", segments.joined(separator: " ")] }
}

/// A user in a segment as it is printed.
struct MembershipRecord: Record {
  static let columns: [Column] = [.number("user_id"), "segment_slug", "assign_time", "expires_at", "source"]

  let userId: Int64
  let segmentSlug: String
  let assignTime: String?
  let expiresAt: String?
  let source: String?

  init(_ membership: Membership, userID: Int64) {
    userId = userID
    segmentSlug = membership.segmentSlug
    assignTime = membership.assignTime.map(StampFormatter.string)
    expiresAt = membership.expiresAt.map(StampFormatter.string)
    source = membership.source == .unspecified ? nil : membership.source.name
  }

  var cells: [String] { ["\(userId)", segmentSlug, assignTime ?? "", expiresAt ?? "", source ?? ""] }
}

/// Whether a user is in a segment.
struct CheckRecord: Record {
  static let columns: [Column] = [.number("user_id"), "segment", "member", "expires_at"]

  let userId: Int64
  /// As it was asked for.
  let segment: String
  let member: Bool
  let expiresAt: String?

  init(_ response: CheckMembershipResponse, userID: Int64, segment: SegmentArgument) {
    userId = userID
    self.segment = segment.text
    member = response.member
    expiresAt = response.expiresAt.map(StampFormatter.string)
  }

  var cells: [String] { ["\(userId)", segment, "\(member)", expiresAt ?? ""] }
}

/// What became of one segment of an update.
struct OutcomeRecord: Record {
  static let columns: [Column] = ["segment_slug", "outcome", "expires_at"]

  let segmentSlug: String
  let outcome: String
  let expiresAt: String?

  init(_ outcome: SegmentOutcome) {
    segmentSlug =
      switch outcome.segment?.segment {
      case .slug(let slug) where outcome.segmentSlug.isEmpty: slug
      case .id(let id) where outcome.segmentSlug.isEmpty: "id:\(id)"
      default: outcome.segmentSlug
      }
    self.outcome = outcome.outcome.name
    expiresAt = outcome.expiresAt.map(StampFormatter.string)
  }

  var cells: [String] { [segmentSlug, outcome, expiresAt ?? ""] }
}

/// What an update did.
struct UpdateDocument: Encodable, Sendable {
  let userId: Int64
  let userCreated: Bool
  let outcomes: [OutcomeRecord]
  let auditToken: String?
}
