import Contract
import GRPC
import Postgres
import Proto
import Segmentation

/// `segmentation.v1.SegmentService` on one loop.
struct SegmentHandlers: Sendable {
  let segments: SegmentStore
  let history: HistoryStore
  /// Whether the server is about to stop, and streams without end are to be ended.
  let isStopping: @Sendable () -> Bool

  func register(on router: Router) {
    router.unary(SegmentService.Methods.createSegment.descriptor) { try await createSegment($0, $1) }
    router.unary(SegmentService.Methods.getSegment.descriptor) { try await getSegment($0, $1) }
    router.unary(SegmentService.Methods.listSegments.descriptor) { try await listSegments($0, $1) }
    router.unary(SegmentService.Methods.updateSegment.descriptor) { try await updateSegment($0, $1) }
    router.unary(SegmentService.Methods.deleteSegment.descriptor) { try await deleteSegment($0, $1) }
    router.serverStreaming(SegmentService.Methods.listSegmentMembers.descriptor) {
      try await listSegmentMembers($0, $1, $2)
    }
    router.serverStreaming(SegmentService.Methods.watchRollout.descriptor) { try await watchRollout($0, $1, $2) }
  }

  private func createSegment(
    _ request: CreateSegmentRequest, _ call: ServerCall
  ) async throws -> CreateSegmentResponse {
    let created = try await segments.create(
      Slug(request.slug), description: SegmentDescription(request.description), outreach: Outreach(request.outreach),
      validateOnly: request.validateOnly, by: call.caller(requestID: request.requestID))
    return CreateSegmentResponse(segment: Segment(created.segment), rollout: created.rollout.map { Proto.Rollout($0) })
  }

  private func getSegment(_ request: GetSegmentRequest, _ call: ServerCall) async throws -> GetSegmentResponse {
    let segment = try await segments.get(
      SegmentReference(request.segment), full: request.view.isFull(), by: call.caller)
    return GetSegmentResponse(segment: Segment(segment))
  }

  private func listSegments(_ request: ListSegmentsRequest, _ call: ServerCall) async throws -> ListSegmentsResponse {
    let page = try await segments.list(
      prefix: request.slugPrefix, pageSize: PageSize(request.pageSize), pageToken: request.pageToken,
      full: request.view.isFull(), by: call.caller)
    return ListSegmentsResponse(segments: page.segments.map { Segment($0) }, nextPageToken: page.next)
  }

  private func updateSegment(
    _ request: UpdateSegmentRequest, _ call: ServerCall
  ) async throws -> UpdateSegmentResponse {
    let changed = try await segments.update(
      SegmentReference(request.segment), SegmentUpdate(request), etag: request.etag.isEmpty ? nil : request.etag,
      validateOnly: request.validateOnly, by: call.caller(requestID: request.requestID))
    return UpdateSegmentResponse(segment: Segment(changed.segment), rollout: changed.rollout.map { Proto.Rollout($0) })
  }

  private func listSegmentMembers(
    _ request: ListSegmentMembersRequest, _ responses: ResponseWriter<ListSegmentMembersResponse>, _ call: ServerCall
  ) async throws {
    let isFull = try request.view.isFull()
    let stream = try KeysetStream(
      startAfter: request.startAfterUserID, limit: request.limit, maxBatchSize: request.maxBatchSize)
    let caller = call.caller
    let reference = try SegmentReference(request.segment)
    if let instant = try Timestamp(asOf: request.asOf) {
      let segment = try await history.segment(reference, at: instant, by: caller)
      return try await stream.send(membersOf: segment, at: instant, history, by: caller) { members in
        try await responses.write(ListSegmentMembersResponse(members, isFull: isFull, readAt: instant))
      }
    }
    let segment = try await segments.get(reference, by: caller)
    let chunks = try await stream.send(
      reading: { [segments] in try await segments.members(of: segment, after: $0, limit: $1, by: caller) },
      key: \.user.number
    ) { members, chunk in
      try await responses.write(ListSegmentMembersResponse(members, isFull: isFull, readAt: chunk.readAt))
    }
    // One that was deleted on the way looks as if it had no more members.
    if chunks > 1 { _ = try await segments.get(.id(segment.id), by: caller) }
  }

  private func deleteSegment(
    _ request: DeleteSegmentRequest, _ call: ServerCall
  ) async throws -> DeleteSegmentResponse {
    let segment = try await segments.delete(
      SegmentReference(request.segment), etag: request.etag.isEmpty ? nil : request.etag,
      allowMissing: request.allowMissing, validateOnly: request.validateOnly,
      by: call.caller(requestID: request.requestID))
    return DeleteSegmentResponse(segment: segment.map { Segment($0) })
  }
}

private typealias Segment = Proto.Segment
private typealias Timestamp = Postgres.Timestamp

extension ListSegmentMembersResponse {
  fileprivate init(_ members: some Collection<Segmentation.Membership>, isFull: Bool, readAt: Timestamp?) {
    self.init(
      userIDs: members.map(\.user.number), memberships: isFull ? members.map { Proto.Membership($0) } : [],
      readTime: readAt.map { ProtoTimestamp($0) })
  }
}

extension SegmentView {
  /// - Throws: `SegmentationError.invalid` for a view that we do not know.
  fileprivate func isFull() throws(SegmentationError) -> Bool {
    switch self {
    case .unspecified, .basic: return false
    case .full: return true
    default: throw .invalid(field: "view", reason: "is unknown")
    }
  }
}
