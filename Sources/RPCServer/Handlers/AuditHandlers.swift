import Contract
import GRPC
import Proto
import Segmentation

/// `segmentation.v1.AuditService` on one loop.
struct AuditHandlers: Sendable {
  let audit: AuditStore
  let feed: AuditFeed

  func register(on router: Router) {
    router.serverStreaming(AuditService.Methods.streamAudit.descriptor) { try await streamAudit($0, $1, $2) }
  }

  /// Streams up to the end that the log has when the call begins, and for a follower what comes after that.
  private func streamAudit(
    _ request: StreamAuditRequest, _ responses: ResponseWriter<StreamAuditResponse>, _ call: ServerCall
  ) async throws {
    let range = try await AuditRange(request, audit, call)
    var batches = try AuditBatcher(request, range.bound.identity)
    if request.follow {
      try await follow(range, &batches, responses, call)
    } else {
      try await copy(range, after: range.start, to: range.bound, &batches, responses, call)
    }
    if let batch = batches.flush() { try await responses.write(batch) }
    try await responses.write(batches.end(behind: range.start))
  }

  /// Sends what lies behind `position`, up to the bound or the limit. The next chunk is read while the one before is being sent,
  /// and not sooner: however slow the reader, two chunks are all that is held.
  func copy(
    _ range: AuditRange, after position: Segmentation.AuditPosition, to bound: AuditBound,
    _ batches: inout AuditBatcher,
    _ responses: ResponseWriter<StreamAuditResponse>, _ call: ServerCall
  ) async throws {
    var size = range.chunkSize(taken: batches.taken)
    var chunk = try await read(range, after: position, to: bound, limit: size, call)
    while let last = chunk.last {
      let isLast = chunk.count < size
      let next = range.chunkSize(taken: batches.taken + Int64(chunk.count))
      async let following = isLast ? [] : read(range, after: last.position, to: bound, limit: next, call)
      for record in chunk {
        if let batch = batches.add(record) { try await responses.write(batch) }
      }
      chunk = try await following
      size = next
    }
  }

  private func read(
    _ range: AuditRange, after position: Segmentation.AuditPosition, to bound: AuditBound, limit: Int,
    _ call: ServerCall
  ) async throws -> [Segmentation.AuditRecord] {
    try await audit.read(after: position, to: bound, limit: limit, filter: range.filter, deadline: call.deadline)
  }
}
