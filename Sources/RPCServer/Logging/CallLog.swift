import GRPC
import Logging

/// What the log says of calls that have ended: a warning of each that was slow, and at the level `debug` a line for every one.
struct CallLog: Sendable {
  private let logger: Logger
  private let level: LogLevel
  /// Nanoseconds; calls of one request and one response that take longer are slow.
  private let threshold: UInt64

  /// - Parameter threshold: Zero: no call is slow.
  init(_ logger: Logger, level: LogLevel, threshold: Duration) {
    self.logger = logger
    self.level = level
    self.threshold = threshold == .zero ? .max : UInt64(threshold / .nanoseconds(1))
  }

  /// Called for every call: it has to cost next to nothing when there is nothing to say.
  func ended(_ call: ServerCall, _ code: StatusCode) {
    // A stream lasts as long as its caller likes.
    if call.elapsed > threshold, !call.isStreaming {
      logger.warning("slow call", metadata: metadata(call, code))
    } else if level.current <= .debug {
      logger.debug("call ended", metadata: metadata(call, code))
    }
  }

  private func metadata(_ call: ServerCall, _ code: StatusCode) -> Logger.Metadata {
    let microseconds = call.elapsed / 1000
    let fraction = String(microseconds % 1000 + 1000).dropFirst()
    return [
      "path": "\(call.path)", "status": "\(code)", "milliseconds": "\(microseconds / 1000).\(fraction)",
      "request_id": "\(call.requestID)",
    ]
  }
}
