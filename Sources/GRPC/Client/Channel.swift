import EventLoop
import HTTP2

/// A server as a client sees it: one connection, made when the first call needs it and made again when it was lost.
/// Confined to its loop: all calls are made from tasks on it.
///
///     idle ──call──► connecting ──► ready ──lost, GOAWAY──► idle
///                        └──failed──► idle
package final class Channel: @unchecked Sendable {
  private enum State {
    case idle
    case connecting(Task<HTTP2Connection, any Error>)
    case ready(HTTP2Connection)
  }

  package let endpoint: Endpoint
  package let loop: EventLoop
  let configuration: ClientConfiguration
  private let buffers = ConnectionBuffers()
  private var state = State.idle

  package init(to endpoint: Endpoint, on loop: EventLoop, configuration: ClientConfiguration = .init()) {
    self.endpoint = endpoint
    self.loop = loop
    self.configuration = configuration
  }

  /// Closes the connection; calls that are going on end with UNAVAILABLE.
  package func close() {
    switch state {
    case .idle: break
    case .connecting(let task): task.cancel()
    case .ready(let connection): connection.close()
    }
    state = .idle
  }

  /// Begins a call.
  /// - Throws: `RPCError` UNAVAILABLE when the server cannot be reached.
  package func call<Request: Sendable, Response: Sendable>(
    _ method: MethodDescriptor<Request, Response>, options: CallOptions = .init()
  ) async throws -> ClientCall<Request, Response> {
    loop.assertCurrent()
    let connection = try await connection()
    let stream = ClientStream(on: loop, configuration: configuration)
    do {
      try stream.begin(
        connection.session, path: method.path, authority: endpoint.description, options: options,
        userAgent: configuration.userAgent)
    } catch {
      // The connection takes no more streams: the next call makes a new one.
      if case .ready(let current) = state, current === connection { state = .idle }
      throw RPCError(.unavailable, "\(error)")
    }
    return ClientCall(stream: stream, method: method)
  }

  private func connection() async throws -> HTTP2Connection {
    switch state {
    case .ready(let connection) where connection.isOpen && !connection.session.receivedGoAway:
      return connection
    case .connecting(let task):
      return try await task.value
    case .ready, .idle:
      let task = Task(executorPreference: loop) { try await self.connect() }
      state = .connecting(task)
      return try await task.value
    }
  }

  private func connect() async throws -> HTTP2Connection {
    do {
      let addresses = try SocketAddress.resolve(endpoint)
      let socket = try await Socket.connected(to: addresses, on: loop, timeout: configuration.connectTimeout)
      let session = try Session(.client, configuration: configuration.http2, on: loop)
      let connection = HTTP2Connection(socket, session: session, buffers: buffers) { [weak self] _ in self?.lost() }
      state = .ready(connection)
      return connection
    } catch {
      state = .idle
      throw RPCError(.unavailable, "cannot reach \(endpoint): \(error)")
    }
  }

  private func lost() {
    if case .ready(let connection) = state, !connection.isOpen { state = .idle }
  }
}
