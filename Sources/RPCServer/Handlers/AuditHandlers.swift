import Contract
import EventLoop
import GRPC
import Proto
import Segmentation

/// `segmentation.v1.AuditService` on one loop.
struct AuditHandlers: Sendable {
  let audit: AuditStore
  let feed: AuditFeed
  let exports: AuditExports
  let consumers: AuditConsumers
  let loop: EventLoop

  func register(on router: Router) {
    router.serverStreaming(AuditService.Methods.streamAudit.descriptor) { try await streamAudit($0, $1, $2) }
  }

  /// Streams up to the end that the log has when the call begins, and for a follower what comes after that.
  private func streamAudit(
    _ request: StreamAuditRequest, _ responses: ResponseWriter<StreamAuditResponse>, _ call: ServerCall
  ) async throws {
    // Who sends a request of a few bytes compressed asks for the like.
    if call.wasRequestCompressed { call.compressesAnswer = true }
    let stream: ConsumerStream? =
      if request.consumer.isEmpty { nil } else {
        try await ConsumerStream(ConsumerName(request.consumer), consumers, on: loop, deadline: call.deadline)
      }
    defer { stream?.close() }
    let range = try await AuditRange(request, audit, acknowledged: stream?.acknowledged, call)
    let batches = try AuditBatcher(request, range.bound)
    if request.follow {
      try await follow(range, batches, responses, call)
    } else {
      try await copy(range, after: range.start, to: range.bound, batches, responses, call)
    }
    try batches.flush(into: responses)
    try await responses.write(batches.end(behind: range.start))
  }

  /// Sends what lies behind `position`, up to the bound or the limit. A chunk is read while the one before is being sent, and not
  /// sooner: however slow the reader, little more than one chunk is held, and no connection to the database while it is waited for.
  func copy(
    _ range: AuditRange, after position: Segmentation.AuditPosition, to bound: AuditBound,
    _ batches: AuditBatcher,
    _ responses: ResponseWriter<StreamAuditResponse>, _ call: ServerCall
  ) async throws {
    var scan = AuditScan(position: position)
    var pace = AuditPace()
    while batches.taken < range.limit {
      let rows = exports.reserve(Int(min(Int64(pace.rows), range.limit - batches.taken)))
      defer { exports.release(rows) }
      scan = try await read(range, behind: scan, to: bound, limit: rows, batches, responses, call)
      guard !scan.isComplete else { return }
      let sent = ContinuousClock.now
      try await responses.waitForRoom(pace.lead)
      pace.chunkTaken(in: .now - sent)
    }
  }

  /// Reads one chunk; its batches are queued as they become full.
  private func read(
    _ range: AuditRange, behind last: AuditScan, to bound: AuditBound, limit: Int,
    _ batches: AuditBatcher, _ responses: ResponseWriter<StreamAuditResponse>, _ call: ServerCall
  ) async throws -> AuditScan {
    try await exports.beginTurn()
    defer { exports.endTurn() }
    var failure: (any Error)?
    let scan = try await audit.scan(
      after: last.position, to: bound, limit: limit, filter: range.filter, inPieces: last.goesInPieces,
      deadline: call.deadline
    ) { row in
      batches.add(row)
      guard batches.isFull else { return }
      do { try batches.flush(into: responses) } catch { failure = failure ?? error }
    }
    if let failure { throw failure }
    return scan
  }
}
