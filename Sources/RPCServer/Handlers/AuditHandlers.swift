import Contract
import GRPC
import Proto
import Segmentation

/// `segmentation.v1.AuditService` on one loop.
struct AuditHandlers: Sendable {
  let audit: AuditStore

  func register(on router: Router) {
    router.serverStreaming(AuditService.Methods.streamAudit.descriptor) { try await streamAudit($0, $1, $2) }
  }

  /// Streams up to the end that the log has when the call begins. The next chunk is read while the one before is being sent,
  /// and not sooner: however slow the reader, two chunks are all that is held.
  private func streamAudit(
    _ request: StreamAuditRequest, _ responses: ResponseWriter<StreamAuditResponse>, _ call: ServerCall
  ) async throws {
    let range = try await AuditRange(request, audit, call)
    var batches = try AuditBatcher(request, range.bound.identity)
    var chunk = try await read(range, after: range.start, sent: 0, call)
    while let last = chunk.last {
      let isLast = chunk.count < range.chunkSize(sent: batches.count)
      let sent = batches.count + Int64(chunk.count)
      async let following = isLast ? [] : read(range, after: last.position, sent: sent, call)
      for record in chunk {
        if let batch = batches.add(record) { try await responses.write(batch) }
      }
      chunk = try await following
    }
    if let batch = batches.flush() { try await responses.write(batch) }
    try await responses.write(batches.end(behind: range.start))
  }

  private func read(
    _ range: AuditRange, after position: Segmentation.AuditPosition, sent: Int64, _ call: ServerCall
  ) async throws -> [Segmentation.AuditRecord] {
    let limit = range.chunkSize(sent: sent)
    return try await audit.read(
      after: position, to: range.bound, limit: limit, filter: range.filter, deadline: call.deadline)
  }
}
