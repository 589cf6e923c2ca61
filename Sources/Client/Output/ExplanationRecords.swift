import Contract
import Proto

/// One of the records that decide, as it is printed.
struct DecidingRecord: Record {
  static let columns: [Column] = [
    "action", "cause", "actor", "request_id", "effective_time", "record_time", "expires_at", .number("sequence"),
  ]

  let action: String
  let cause: String
  let actor: String?
  let requestId: String?
  let effectiveTime: String?
  let recordTime: String?
  let expiresAt: String?
  let sequence: Int64

  init(_ record: AuditRecord) {
    action = record.action.name
    cause = record.cause.name
    actor = record.actor.isEmpty ? nil : record.actor
    requestId = record.requestID.isEmpty ? nil : record.requestID
    effectiveTime = record.effectiveTime.map(StampFormatter.string)
    recordTime = record.recordTime.map(StampFormatter.string)
    expiresAt = record.expiresAt.map(StampFormatter.string)
    sequence = record.sequence
  }

  var cells: [String] {
    [
      action, cause, actor ?? "", requestId ?? "", effectiveTime ?? "", recordTime ?? "", expiresAt ?? "",
      "\(sequence)",
    ]
  }
}

/// Why a user is or was in a segment, or not, as JSON.
struct ExplanationDocument: Encodable, Sendable {
  let userId: Int64
  let userKnown: Bool
  let segment: SegmentRecord?
  let member: Bool
  let reason: String
  let explanation: String
  let readTime: String?
  /// At that instant.
  let membership: MembershipRecord?
  let records: [DecidingRecord]
  let bucket: Int32
  let outreachPpm: Int32

  init(_ response: ExplainMembershipResponse, userID: Int64) {
    userId = userID
    userKnown = response.userKnown
    segment = response.segment.map { SegmentRecord($0) }
    member = response.member
    reason = response.reason.name
    explanation = response.explanation
    readTime = response.readTime.map(StampFormatter.string)
    membership = response.membership.map { MembershipRecord($0, userID: userID) }
    records = response.records.map(DecidingRecord.init)
    bucket = response.bucket
    outreachPpm = response.outreachPpm
  }
}
