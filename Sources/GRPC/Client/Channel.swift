import EventLoop
import HTTP2

/// A server as a client sees it: one connection, made when the first call needs it and made again when it was lost.
/// Confined to its loop: all calls are made from tasks on it.
///
///     idle ──call──► connecting ──► ready ──lost, GOAWAY, close()──► idle
///                        └──failed, close()──► idle
///
/// A channel that nobody holds any more lets its calls finish, and then closes.
package final class Channel: @unchecked Sendable {
  private enum State {
    case idle
    case connecting(Task<Void, Never>)
    case ready(HTTP2Connection)
  }

  package let endpoint: Endpoint
  package let loop: EventLoop
  let configuration: ClientConfiguration
  private let buffers = ConnectionBuffers()
  private var state = State.idle
  /// Tells an attempt to connect whether it is still wanted.
  private var attempt = 0
  private var waiters: [Promise<HTTP2Connection>] = []

  package init(to endpoint: Endpoint, on loop: EventLoop, configuration: ClientConfiguration = .init()) {
    self.endpoint = endpoint
    self.loop = loop
    self.configuration = configuration
  }

  deinit {
    guard case .ready(let connection) = state else { return }
    loop.executeNow { connection.shutDown() }
  }

  /// Closes the connection; calls that are going on end with UNAVAILABLE.
  package func close() {
    switch state {
    case .idle: break
    case .connecting(let task):
      task.cancel()
      connected(.failure(RPCError(.unavailable, "the channel was closed")), attempt)
    case .ready(let connection):
      connection.close()
    }
    attempt += 1
    state = .idle
  }

  /// Begins a call. The time that connecting takes counts for its timeout.
  /// - Throws: `RPCError`: UNAVAILABLE when the server cannot be reached, DEADLINE_EXCEEDED, CANCELLED.
  package func call<Request: Sendable, Response: Sendable>(
    _ method: MethodDescriptor<Request, Response>, options: CallOptions = .init()
  ) async throws -> ClientCall<Request, Response> {
    loop.assertCurrent()
    let deadline = options.timeout.map { ContinuousClock.now + $0 }
    do {
      return ClientCall(stream: try await begin(method.path, options, deadline), method: method)
    } catch is HTTP2Error {
      // The connection took no more streams: another one does.
    }
    do { return ClientCall(stream: try await begin(method.path, options, deadline), method: method) } catch let error
      as HTTP2Error
    {
      throw RPCError(.unavailable, "\(error)")
    }
  }

  private func begin(
    _ path: String, _ options: CallOptions, _ deadline: ContinuousClock.Instant?
  ) async throws -> ClientStream {
    let connection = try await connection(before: deadline)
    let stream = ClientStream(on: loop, configuration: configuration)
    var options = options
    options.timeout = deadline.map { $0 - .now }
    do {
      try stream.begin(
        connection.session, path: path, authority: endpoint.description, options: options,
        scheme: configuration.tls == nil ? "http" : "https", userAgent: configuration.userAgent)
    } catch {
      retire(connection)
      throw error
    }
    return stream
  }

  // MARK: The connection

  private func connection(before deadline: ContinuousClock.Instant?) async throws -> HTTP2Connection {
    if case .ready(let connection) = state {
      if connection.isOpen, !connection.session.receivedGoAway { return connection }
      retire(connection)
    }
    if case .idle = state { connect() }
    let waiter = Promise<HTTP2Connection>(on: loop)
    waiters.append(waiter)
    let timer = Timer(on: loop) { waiter.fail(RPCError.deadlineExceeded) }
    if let deadline { timer.schedule(after: deadline - .now) }
    defer { timer.cancel() }
    do { return try await waiter.value() } catch is CancellationError { throw RPCError.cancelled }
  }

  private func connect() {
    attempt += 1
    let attempt = attempt
    let task = Task(executorPreference: loop) {
      do { self.connected(.success(try await self.open()), attempt) } catch {
        self.connected(.failure(RPCError(.unavailable, "cannot reach \(self.endpoint): \(error)")), attempt)
      }
    }
    state = .connecting(task)
  }

  private func open() async throws -> HTTP2Connection {
    let addresses = try SocketAddress.resolve(endpoint)
    let socket = try await Socket.connected(to: addresses, on: loop, timeout: configuration.connectTimeout)
    let transport = try await transport(over: socket)
    let session = try Session(.client, configuration: configuration.http2, on: loop)
    return HTTP2Connection(transport, session: session, buffers: buffers) { [weak self] _ in self?.lost() }
  }

  private func transport(over socket: Socket) async throws -> Transport {
    guard let tls = configuration.tls else { return Transport(socket) }
    return try await .secured(
      socket, tls, serverName: configuration.tlsServerName ?? endpoint.host, on: loop, buffers: buffers,
      timeout: configuration.connectTimeout)
  }

  private func connected(_ result: Result<HTTP2Connection, any Error>, _ attempt: Int) {
    guard attempt == self.attempt, case .connecting = state else {
      if case .success(let connection) = result { connection.close() }
      return
    }
    state = if case .success(let connection) = result { .ready(connection) } else { .idle }
    let waiting = waiters
    waiters = []
    for waiter in waiting { waiter.settle(result) }
  }

  /// Calls that are going on may finish; the next one gets another connection.
  private func retire(_ connection: HTTP2Connection) {
    if case .ready(let current) = state, current === connection { state = .idle }
    connection.shutDown()
  }

  private func lost() {
    if case .ready(let connection) = state, !connection.isOpen { state = .idle }
  }
}
