import Contract
import GRPC
import Postgres
import Proto
import Segmentation

extension MembershipHandlers {
  func explainMembership(
    _ request: ExplainMembershipRequest, _ call: ServerCall
  ) async throws -> ExplainMembershipResponse {
    let explanation = try await history.explain(
      UserID(request.userID), in: SegmentReference(request.segment), at: Timestamp(asOf: request.asOf), by: call.caller)
    return ExplainMembershipResponse(
      member: explanation.isMember, reason: Proto.MembershipReason(explanation.reason),
      explanation: ExplanationText(explanation, isPast: request.asOf != nil).text,
      segment: Proto.Segment(explanation.segment), membership: explanation.membership.map { Proto.Membership($0) },
      records: explanation.records.map { Proto.AuditRecord($0) }, bucket: explanation.bucket.number,
      outreachPpm: explanation.outreach.partsPerMillion, userKnown: explanation.userCreatedAt != nil,
      readTime: ProtoTimestamp(explanation.instant))
  }
}

private typealias Timestamp = Postgres.Timestamp

extension Proto.MembershipReason {
  fileprivate init(_ reason: Segmentation.MembershipReason) {
    self =
      switch reason {
      case .assigned: .assigned
      case .imported: .imported
      case .outreach: .outreach
      case .neverAssigned: .neverAssigned
      case .removed: .removed
      case .expired: .expired
      case .outreachLowered: .outreachLowered
      case .segmentDeleted: .segmentDeleted
      case .userDeleted: .userDeleted
      case .rolloutPending: .rolloutPending
      }
  }
}
