import Contract
import GRPC
import Postgres
import Proto
import Segmentation

/// `segmentation.v1.MembershipService` on one loop.
struct MembershipHandlers: Sendable {
  let memberships: MembershipStore
  let history: HistoryStore

  func register(on router: Router) {
    router.unary(MembershipService.Methods.updateUserSegments.descriptor) { try await updateUserSegments($0, $1) }
    router.unary(MembershipService.Methods.getUserSegments.descriptor) { try await getUserSegments($0, $1) }
    router.unary(MembershipService.Methods.batchGetUserSegments.descriptor) { try await batchGetUserSegments($0, $1) }
    router.unary(MembershipService.Methods.checkMembership.descriptor) { try await checkMembership($0, $1) }
    router.unary(MembershipService.Methods.explainMembership.descriptor) { try await explainMembership($0, $1) }
    router.clientStreaming(MembershipService.Methods.importMemberships.descriptor) {
      try await importMemberships($0, $1)
    }
  }

  private func getUserSegments(
    _ request: GetUserSegmentsRequest, _ call: ServerCall
  ) async throws -> GetUserSegmentsResponse {
    let user = try UserID(request.userID)
    let isFull = try request.view.isFull()
    let instant = try Timestamp(asOf: request.asOf)
    guard isFull else {
      let slugs =
        if let instant { try await history.segments(of: [user], at: instant, by: call.caller)[0] } else {
          try await memberships.segments(of: user, by: call.caller)
        }
      return GetUserSegmentsResponse(segments: slugs.map(\.text))
    }
    let found =
      if let instant { try await history.memberships(of: [user], at: instant, by: call.caller)[0] } else {
        try await memberships.memberships(of: user, by: call.caller)
      }
    return GetUserSegmentsResponse(
      segments: found.map(\.slug.text), memberships: found.map { Proto.Membership($0) })
  }

  private func batchGetUserSegments(
    _ request: BatchGetUserSegmentsRequest, _ call: ServerCall
  ) async throws -> BatchGetUserSegmentsResponse {
    let users = try request.userIDs.enumerated().map { try UserID($1, field: "user_ids[\($0)]") }
    let isFull = try request.view.isFull()
    let instant = try Timestamp(asOf: request.asOf)
    guard isFull else {
      let slugs =
        if let instant { try await history.segments(of: users, at: instant, by: call.caller) } else {
          try await memberships.segments(of: users, by: call.caller)
        }
      return BatchGetUserSegmentsResponse(
        users: zip(users, slugs).map { UserSegments(userID: $0.number, segments: $1.map(\.text)) })
    }
    let found =
      if let instant { try await history.memberships(of: users, at: instant, by: call.caller) } else {
        try await memberships.memberships(of: users, by: call.caller)
      }
    return BatchGetUserSegmentsResponse(
      users: zip(users, found).map { user, memberships in
        UserSegments(
          userID: user.number, segments: memberships.map(\.slug.text),
          memberships: memberships.map { Proto.Membership($0) })
      })
  }

  private func checkMembership(
    _ request: CheckMembershipRequest, _ call: ServerCall
  ) async throws -> CheckMembershipResponse {
    let user = try UserID(request.userID)
    let segment = try SegmentReference(request.segment)
    let standing =
      if let instant = try Timestamp(asOf: request.asOf) {
        try await history.check(user, in: segment, at: instant, by: call.caller)
      } else {
        try await memberships.check(user, in: segment, by: call.caller)
      }
    return CheckMembershipResponse(
      member: standing.isMember, expiresAt: standing.expiresAt.map { ProtoTimestamp($0) })
  }

  private func updateUserSegments(
    _ request: UpdateUserSegmentsRequest, _ call: ServerCall
  ) async throws -> UpdateUserSegmentsResponse {
    let update = try MembershipUpdate(
      user: UserID(request.userID),
      assign: request.assign.enumerated().map { index, assignment in
        try SegmentAssignment(
          SegmentReference(assignment.segment, field: "assign[\(index)].segment"),
          Expiry(assignment.expiry, field: "assign[\(index)]"))
      },
      remove: request.remove.enumerated().map { try SegmentReference($1, field: "remove[\($0)]") },
      presentPolicy: PresentPolicy(request.presentPolicy, unspecified: .fail, field: "present_policy"),
      missingPolicy: MissingPolicy(request.missingPolicy, field: "missing_policy"), createUser: request.createUser,
      validateOnly: request.validateOnly)
    let result = try await memberships.update(update, by: call.caller(requestID: request.requestID))
    return UpdateUserSegmentsResponse(
      outcomes: result.outcomes.map { Proto.SegmentOutcome($0) }, userCreated: result.userCreated,
      auditToken: result.token?.text ?? "")
  }
}

private typealias Timestamp = Postgres.Timestamp
private typealias SegmentAssignment = Segmentation.SegmentAssignment
private typealias PresentPolicy = Segmentation.PresentPolicy
private typealias MissingPolicy = Segmentation.MissingPolicy

extension Proto.SegmentOutcome {
  fileprivate init(_ outcome: Segmentation.SegmentOutcome) {
    self.init(
      segment: outcome.reference.selector, segmentID: outcome.segment?.number ?? 0,
      segmentSlug: outcome.slug?.text ?? "", outcome: Proto.MembershipOutcome(outcome.outcome),
      expiresAt: outcome.expiresAt.map { ProtoTimestamp($0) })
  }
}

extension MembershipView {
  /// - Throws: `SegmentationError.invalid` for a view that we do not know.
  func isFull() throws(SegmentationError) -> Bool {
    switch self {
    case .unspecified, .slugs: return false
    case .full: return true
    default: throw .invalid(field: "view", reason: "is unknown")
    }
  }
}
