import GRPC
import Proto
import Segmentation

extension SegmentHandlers {
  /// Between two looks at a rollout.
  private static let interval = Duration.milliseconds(200)

  /// Sends the segment's latest rollout, and again whenever it has come further, until it is finished and no other has taken its
  /// place. While it waits it holds no connection.
  func watchRollout(
    _ request: WatchRolloutRequest, _ responses: ResponseWriter<WatchRolloutResponse>, _ call: ServerCall
  ) async throws {
    let segment = try await segments.get(SegmentReference(request.segment), by: call.caller).id
    var sent: Segmentation.Rollout?
    while let rollout = try await segments.rollout(of: segment, deadline: call.deadline) {
      if rollout != sent { try await responses.write(WatchRolloutResponse(rollout: Rollout(rollout))) }
      if rollout.isFinished { return }
      sent = rollout
      if isStopping() { throw RPCError(.unavailable, "the server is stopping; the rollout goes on with the next") }
      try await call.loop.sleep(for: Self.interval)
    }
  }
}

private typealias Rollout = Proto.Rollout
