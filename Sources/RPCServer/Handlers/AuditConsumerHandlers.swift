import Contract
import EventLoop
import GRPC
import Proto
import Segmentation

/// The calls of `segmentation.v1.AuditService` about named consumers, on one loop.
struct AuditConsumerHandlers: Sendable {
  let consumers: AuditConsumers

  func register(on router: Router) {
    router.unary(AuditService.Methods.acknowledgeAudit.descriptor) { try await acknowledge($0, $1) }
    router.unary(AuditService.Methods.listAuditConsumers.descriptor) { try await list($0, $1) }
    router.unary(AuditService.Methods.deleteAuditConsumer.descriptor) { try await delete($0, $1) }
  }

  private func acknowledge(
    _ request: AcknowledgeAuditRequest, _ call: ServerCall
  ) async throws -> AcknowledgeAuditResponse {
    let consumer = try await consumers.acknowledge(
      ConsumerName(request.consumer), AuditToken(request.token), by: call.caller)
    return AcknowledgeAuditResponse(consumer: Proto.AuditConsumer(consumer))
  }

  private func list(
    _ request: ListAuditConsumersRequest, _ call: ServerCall
  ) async throws -> ListAuditConsumersResponse {
    let page = try await consumers.list(
      size: PageSize(request.pageSize), token: request.pageToken, by: call.caller)
    return ListAuditConsumersResponse(
      consumers: page.consumers.map { Proto.AuditConsumer($0) }, nextPageToken: page.next)
  }

  private func delete(
    _ request: DeleteAuditConsumerRequest, _ call: ServerCall
  ) async throws -> DeleteAuditConsumerResponse {
    try await consumers.delete(
      ConsumerName(request.consumer), allowMissing: request.allowMissing, by: call.caller)
    return DeleteAuditConsumerResponse()
  }
}

extension Proto.AuditConsumer {
  init(_ consumer: Segmentation.AuditConsumer) {
    self.init(
      name: consumer.name, token: consumer.token?.text ?? "", updateTime: ProtoTimestamp(consumer.updatedAt),
      lagRecords: consumer.lagRecords,
      lagTime: (try? ProtoDuration(microseconds: consumer.lagMicroseconds)) ?? ProtoDuration(),
      openStreams: consumer.openStreams)
  }
}

/// One stream that is open under a consumer's name, as the database knows it. Confined to its loop.
final class ConsumerStream: @unchecked Sendable {
  private let consumers: AuditConsumers
  private let consumer: ConsumerName
  private let id: String
  private let loop: EventLoop
  private var renewal: Task<Void, Never>?

  /// What the consumer has acknowledged; nil when nothing.
  let acknowledged: Segmentation.AuditPosition?

  /// - Throws: `SegmentationError`
  init(
    _ consumer: ConsumerName, _ consumers: AuditConsumers, on loop: EventLoop, deadline: ContinuousClock.Instant?
  ) async throws {
    self.consumers = consumers
    self.consumer = consumer
    self.loop = loop
    id = (0..<4).map { _ in
      let digits = String(UInt32.random(in: 0...UInt32.max), radix: 16)
      return String(repeating: "0", count: 8 - digits.count) + digits
    }.joined()
    acknowledged = try await consumers.open(consumer, stream: id, deadline: deadline)
    renewal = loop.spawn { [loop, consumers, consumer, id] in
      while (try? await loop.sleep(for: AuditConsumers.renewal)) != nil {
        try? await consumers.renew(consumer, stream: id)
      }
    }
  }

  /// Does not wait: the caller may be cancelled. One that cannot be closed is forgotten after a while.
  func close() {
    renewal?.cancel()
    loop.spawn { [consumers, id] in try? await consumers.close(stream: id) }
  }
}
