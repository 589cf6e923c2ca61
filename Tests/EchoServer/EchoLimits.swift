import GRPC
import HTTP2

/// Limits from the command line: `idleTimeout=200` (times in milliseconds).
enum EchoLimits {
  struct Unknown: Error { let argument: String }

  private static var times: [String: WritableKeyPath<ServerLimits, Duration>] {
    [
      "handshakeTimeout": \.handshakeTimeout, "frameTimeout": \.frameTimeout, "stallTimeout": \.stallTimeout,
      "crowdedTimeout": \.crowdedTimeout, "idleTimeout": \.idleTimeout, "connectionAge": \.connectionAge,
      "connectionAgeGrace": \.connectionAgeGrace, "keepaliveInterval": \.keepaliveInterval,
      "keepaliveTimeout": \.keepaliveTimeout,
    ]
  }
  private static var counts: [String: WritableKeyPath<ServerConfiguration, Int>] {
    [
      "connections": \.limits.connections, "runningHandlers": \.limits.runningHandlers,
      "queuedOutput": \.limits.queuedOutput, "queuedInput": \.limits.queuedInput, "maxMessageSize": \.maxMessageSize,
    ]
  }

  static func configuration(_ arguments: [String]) throws -> ServerConfiguration {
    var configuration = ServerConfiguration()
    for argument in arguments {
      let parts = argument.split(separator: "=").map(String.init)
      guard parts.count == 2, let number = Int(parts[1]) else { throw Unknown(argument: argument) }
      if let path = times[parts[0]] {
        configuration.limits[keyPath: path] = .milliseconds(number)
      } else if let path = counts[parts[0]] {
        configuration[keyPath: path] = number
      } else if parts[0] == "maxConcurrentStreams" {
        configuration.http2.maxConcurrentStreams = UInt32(clamping: number)
      } else {
        throw Unknown(argument: argument)
      }
    }
    return configuration
  }
}
