import EventLoop
import GRPC
import Logging
import Synchronization

/// Says in the log which clients were cut off by which limit. What a client can bring about any number of times must not fill the
/// log: of each limit there is a line now and then, which tells how many were left out before it.
final class CutOffLog: Sendable {
  private let logger: Logger
  private let pauses = Mutex<[CutOff: LogPause]>([:])

  init(_ logger: Logger) {
    self.logger = logger
  }

  /// Callable from any loop.
  func cutOff(_ limit: CutOff, _ peer: SocketAddress?) {
    let leftOut = pauses.withLock { $0[limit, default: LogPause()].leftOut(at: .now) }
    guard let leftOut else { return }
    var metadata: Logger.Metadata = ["limit": "\(limit.rawValue)", "peer": "\(peer.map { "\($0)" } ?? "unknown")"]
    if leftOut > 0 { metadata["left_out"] = "\(leftOut)" }
    logger.warning("cut a client off", metadata: metadata)
  }
}

/// Lets one line pass, and then none for a while. A value without a clock.
struct LogPause {
  private static let length = Duration.seconds(10)

  private var end: ContinuousClock.Instant?
  private var leftOut = 0

  /// - Returns: How many lines have been left out since the one before, when this one is to be written; else nil.
  mutating func leftOut(at now: ContinuousClock.Instant) -> Int? {
    if let end, now < end {
      leftOut += 1
      return nil
    }
    end = now + Self.length
    defer { leftOut = 0 }
    return leftOut
  }
}
