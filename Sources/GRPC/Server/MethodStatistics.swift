import Metrics

/// What one loop has counted of one method. Confined to its loop: counting is a few additions to plain numbers.
final class MethodStatistics: @unchecked Sendable {
  /// The path's halves.
  let service: String
  let method: String
  let kind: MethodKind
  /// Calls whose headers have arrived.
  var started: UInt64 = 0
  /// Messages that handlers took.
  var received: UInt64 = 0
  /// Messages that handlers sent.
  var sent: UInt64 = 0
  /// How long calls took, by the status that they ended with.
  private(set) var handled = [Histogram](repeating: Histogram(), count: StatusCode.known.count)

  /// - Parameter path: `/package.Service/Method`.
  init(path: String, kind: MethodKind) {
    let parts = path.split(separator: "/", maxSplits: 1)
    service = parts.first.map(String.init) ?? ""
    method = parts.dropFirst().first.map(String.init) ?? ""
    self.kind = kind
  }

  /// A call has ended after so many nanoseconds.
  func ended(_ code: StatusCode, after nanoseconds: UInt64) {
    let known = handled.indices.contains(code.rawValue) ? code : .unknown
    handled[known.rawValue].observe(nanoseconds)
  }
}

/// Who sends how many messages in a call, as gRPC's metrics call it.
enum MethodKind: String, Sendable {
  case unary = "unary"
  case clientStreaming = "client_stream"
  case serverStreaming = "server_stream"
  case bidirectional = "bidi_stream"
}
