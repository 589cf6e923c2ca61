import EventLoop
import GRPC
import Proto

/// Follows a segment's rollout, and calls again when the server goes away. Confined to its connection's loop.
final class RolloutWatch: @unchecked Sendable {
  private static let shortestPause = Duration.milliseconds(100)
  private static let longestPause = Duration.seconds(5)

  private let connection: Connection
  private let isLive: Bool
  private var segment: SegmentSelector
  private var latest: Rollout?
  private var progress: Progress?
  private var pause = RolloutWatch.shortestPause

  /// - Parameter isLive: Follow it to its end; else look once.
  init(_ segment: SegmentSelector, on connection: Connection, isLive: Bool) {
    self.segment = segment
    self.connection = connection
    self.isLive = isLive
  }

  /// - Parameter step: Called for each state that arrives.
  /// - Returns: The last one; nil when the segment never had a rollout.
  /// - Throws: `RPCError`, what `step` throws
  func run(_ step: (Rollout) async throws -> Void) async throws -> Rollout? {
    defer { progress?.clear() }
    while true {
      do { return try await call(step) } catch let error as RPCError {
        // A segment that was deleted meanwhile took its rollout with it.
        if error.code == .notFound, let latest { return latest }
        // A server that was never there is told of.
        let mayReturn = error.code == .unavailable || error.code == .cancelled
        guard isLive, mayReturn, latest != nil, !Task.isCancelled else { throw error }
      }
      try await connection.loop.sleep(for: pause * Double.random(in: 0.5...1))
      pause = min(pause * 2, Self.longestPause)
    }
  }

  private func call(_ step: (Rollout) async throws -> Void) async throws -> Rollout? {
    let call = try await connection.stream(SegmentService.Methods.watchRollout)
    do {
      try await call.send(WatchRolloutRequest(segment: segment))
      call.finish()
      while let rollout = try await call.next()?.rollout {
        // The slug may be another segment's after a restart.
        segment = SegmentSelector(segment: .id(rollout.segmentID))
        pause = Self.shortestPause
        try await arrived(rollout, step)
        if !isLive {
          call.cancel()
          return rollout
        }
      }
    } catch {
      call.cancel()
      throw error
    }
    return latest
  }

  private func arrived(_ rollout: Rollout, _ step: (Rollout) async throws -> Void) async throws {
    // Another one has taken its place.
    if rollout.id != latest?.id || progress == nil {
      progress?.clear()
      progress = rollout.usersTotal > 0 ? Progress("rolling out", of: rollout.usersTotal, isShown: isShown) : nil
    }
    latest = rollout
    progress?.update(rollout.usersDone, count: rollout.usersDone, "users")
    try await step(rollout)
  }

  private var isShown: Bool { isLive && StandardError.isTerminal }
}
