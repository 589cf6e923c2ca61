import GRPC
import HTTP2

/// Limits from the command line: `idleTimeout=200` (times in milliseconds).
struct EchoLimits {
  struct Unknown: Error { let argument: String }

  var configuration = ServerConfiguration()
  /// How long calls may go on when the server stops.
  var grace = Duration.seconds(2)

  private static var times: [String: WritableKeyPath<EchoLimits, Duration>] {
    [
      "handshakeTimeout": \.configuration.limits.handshakeTimeout, "frameTimeout": \.configuration.limits.frameTimeout,
      "stallTimeout": \.configuration.limits.stallTimeout, "crowdedTimeout": \.configuration.limits.crowdedTimeout,
      "idleTimeout": \.configuration.limits.idleTimeout, "connectionAge": \.configuration.limits.connectionAge,
      "connectionAgeGrace": \.configuration.limits.connectionAgeGrace,
      "keepaliveInterval": \.configuration.limits.keepaliveInterval,
      "keepaliveTimeout": \.configuration.limits.keepaliveTimeout,
      "tlsHandshakeTimeout": \.configuration.tlsHandshakeTimeout, "grace": \.grace,
    ]
  }
  private static var counts: [String: WritableKeyPath<ServerConfiguration, Int>] {
    [
      "connections": \.limits.connections, "runningHandlers": \.limits.runningHandlers,
      "queuedOutput": \.limits.queuedOutput, "queuedInput": \.limits.queuedInput, "maxMessageSize": \.maxMessageSize,
    ]
  }
  private static var floods: [String: WritableKeyPath<FloodLimits, Int>] {
    ["continuations": \.continuations, "unread": \.unread]
  }

  init(_ arguments: [String]) throws {
    for argument in arguments {
      let parts = argument.split(separator: "=").map(String.init)
      guard parts.count == 2, let number = Int(parts[1]) else { throw Unknown(argument: argument) }
      if let path = Self.times[parts[0]] {
        self[keyPath: path] = .milliseconds(number)
      } else if let path = Self.counts[parts[0]] {
        configuration[keyPath: path] = number
      } else if let path = Self.floods[parts[0]] {
        configuration.http2.floods?[keyPath: path] = number
      } else if parts[0] == "maxConcurrentStreams" {
        configuration.http2.maxConcurrentStreams = UInt32(clamping: number)
      } else {
        throw Unknown(argument: argument)
      }
    }
  }
}
