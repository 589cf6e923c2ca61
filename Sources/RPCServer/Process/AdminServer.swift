import EventLoop

/// What operators ask over HTTP: `/healthz` (the process answers) and `/readyz` (it can do its work; names what is missing).
/// Confined to its loop.
final class AdminServer: @unchecked Sendable {
  private let server: HTTPServer

  /// - Parameter missing: What keeps the server from working just now, nil when nothing does.
  /// - Throws: `SocketError` when the address cannot be had.
  init(at endpoint: Endpoint, on loop: EventLoop, missing: @escaping () -> String?) throws {
    let addresses = try SocketAddress.resolve(endpoint)
    server = try HTTPServer(at: addresses[0], on: loop) { path in
      switch path {
      case "/healthz":
        return .init(body: "ok\n")
      case "/readyz":
        guard let missing = missing() else { return .init(body: "ready\n") }
        return .init(status: 503, body: "not ready: \(missing)\n")
      default:
        return .init(status: 404, body: "try /healthz or /readyz\n")
      }
    }
  }

  var address: SocketAddress { server.address }
}
