import EventLoop
import HTTP2

/// The connection to one address. Confined to its loop.
///
///     idle ──connect()──► connecting ──the server's SETTINGS──► ready ──lost, GOAWAY, drop()──► idle
///      ▲                      └──failed──► pausing ──────────────────────────────────────────────▲
///      └─────────────────────────────drop(), close()─────────────────────────────────────────────┘
///
/// A connection counts only once the server has spoken HTTP/2 on it: what accepts and says nothing (a full backlog, a process that
/// is going down) gets no calls.
final class Subchannel: SessionObserver, @unchecked Sendable {
  private enum State {
    case idle
    case connecting(Task<Void, Never>)
    case ready(HTTP2Connection)
    case pausing
  }

  enum Event {
    case connected
    case attemptFailed(any Error)
    case pauseEnded
    case lost
  }

  let endpoint: Endpoint
  let address: SocketAddress
  private let loop: EventLoop
  private let configuration: ClientConfiguration
  private let buffers: ConnectionBuffers
  private let onEvent: (Subchannel, Event) -> Void
  private var state = State.idle
  private var backoff: Backoff
  /// Tells an attempt to connect whether it is still wanted.
  private var attempt = 0
  private var greeting: Promise<Void>?
  private var pause: Timer?
  private var keepalive: KeepaliveTimer?

  init(
    _ endpoint: Endpoint, _ address: SocketAddress, on loop: EventLoop, configuration: ClientConfiguration,
    buffers: ConnectionBuffers, onEvent: @escaping (Subchannel, Event) -> Void
  ) {
    self.endpoint = endpoint
    self.address = address
    self.loop = loop
    self.configuration = configuration
    self.buffers = buffers
    self.onEvent = onEvent
    backoff = Backoff(configuration.backoff)
  }

  /// The connection when it takes calls.
  var connection: HTTP2Connection? {
    guard case .ready(let connection) = state, connection.isOpen, !connection.session.receivedGoAway else { return nil }
    return connection
  }

  var balancerState: Balancer.Address {
    switch state {
    case .idle: .idle
    case .connecting: .connecting
    case .ready: .ready
    case .pausing: .pausing
    }
  }

  func connect() {
    guard case .idle = state else { return }
    attempt += 1
    let (number, start) = (attempt, ContinuousClock.now)
    state = .connecting(
      Task(executorPreference: loop) {
        let result: Result<HTTP2Connection, any Error>
        do { result = .success(try await self.open()) } catch { result = .failure(error) }
        self.attemptEnded(number, result, since: start)
      })
  }

  /// The next attempt need not wait any longer.
  func endPause() {
    guard case .pausing = state else { return }
    state = .idle
    pause = nil
  }

  /// Lets the calls that are going on finish, and takes no more.
  func drop() {
    leave { $0.shutDown() }
  }

  /// Ends the calls that are going on with UNAVAILABLE.
  func close() {
    leave { $0.close() }
  }

  private func leave(_ end: (HTTP2Connection) -> Void) {
    let left = state
    state = .idle
    attempt += 1
    pause = nil
    keepalive = nil
    switch left {
    case .idle, .pausing: break
    case .connecting(let task): task.cancel()
    case .ready(let connection): end(connection)
    }
  }

  // MARK: Connecting

  private func open() async throws -> HTTP2Connection {
    let deadline = ContinuousClock.now + configuration.connectTimeout
    let socket = try await Socket.connected(to: [address], on: loop, timeout: configuration.connectTimeout)
    let transport = try await transport(over: socket, before: deadline)
    let session = try Session(.client, configuration: configuration.http2, on: loop)
    let greeting = Promise<Void>(on: loop)
    self.greeting = greeting
    let closed = NoGreeting.closed(mayWantTLS: configuration.tls == nil)
    session.observer = self
    let connection = HTTP2Connection(transport, session: session, buffers: buffers) { [weak self] error in
      greeting.fail(error.flatMap { $0 as? HTTP2Error == .connectionClosed ? nil : $0 } ?? closed)
      self?.connectionClosed()
    }
    let timer = Timer(on: loop) { greeting.fail(NoGreeting.silence) }
    timer.schedule(after: deadline - .now)
    defer { timer.cancel() }
    do { try await greeting.value() } catch {
      connection.close()
      throw error
    }
    return connection
  }

  private func transport(over socket: Socket, before deadline: ContinuousClock.Instant) async throws -> Transport {
    guard let tls = configuration.tls else { return Transport(socket) }
    return try await .secured(
      socket, tls, serverName: configuration.tlsServerName ?? endpoint.host, on: loop, buffers: buffers,
      timeout: deadline - .now)
  }

  /// What accepts the connection and does not begin to speak HTTP/2.
  private enum NoGreeting: Error, CustomStringConvertible {
    case silence
    case closed(mayWantTLS: Bool)

    var description: String {
      switch self {
      case .silence: "it accepts the connection and says nothing"
      case .closed(let mayWantTLS):
        "it closed the connection before it spoke HTTP/2\(mayWantTLS ? "; perhaps it wants TLS" : "")"
      }
    }
  }

  private func attemptEnded(
    _ number: Int, _ result: Result<HTTP2Connection, any Error>, since start: ContinuousClock.Instant
  ) {
    guard number == attempt, case .connecting = state else {
      if case .success(let connection) = result { connection.close() }
      return
    }
    switch result {
    case .success(let connection) where connection.isOpen && !connection.session.receivedGoAway:
      state = .ready(connection)
      backoff.connected()
      keepalive = configuration.keepalive.map { KeepaliveTimer($0, connection, on: loop) }
      onEvent(self, .connected)
    case .success(let connection):
      connection.shutDown()
      rest(since: start)
      onEvent(self, .attemptFailed(HTTP2Error.noMoreStreams))
    case .failure(let error):
      rest(since: start)
      onEvent(self, .attemptFailed(error))
    }
  }

  private func rest(since start: ContinuousClock.Instant) {
    state = .pausing
    var random = SystemRandomNumberGenerator()
    let wait = backoff.attemptFailed(after: .now - start, using: &random)
    let timer = Timer(on: loop) { [unowned self] in
      guard case .pausing = state else { return }
      state = .idle
      onEvent(self, .pauseEnded)
    }
    timer.schedule(after: wait)
    pause = timer
  }

  // MARK: From the connection

  func sessionReceivedSettings(_ session: Session) {
    greeting?.succeed(())
  }

  func sessionReceivedGoAway(_ session: Session) {
    guard case .ready(let connection) = state, connection.session === session else { return }
    drop()
    onEvent(self, .lost)
  }

  private func connectionClosed() {
    guard case .ready(let connection) = state, !connection.isOpen else { return }
    leave { _ in }
    onEvent(self, .lost)
  }
}

/// Runs the keepalive of one connection. Confined to its loop.
private final class KeepaliveTimer: @unchecked Sendable {
  private let connection: HTTP2Connection
  private var keepalive: Keepalive
  private var timer: Timer?

  init(_ policy: Keepalive.Policy, _ connection: HTTP2Connection, on loop: EventLoop) {
    self.connection = connection
    keepalive = Keepalive(policy)
    let timer = Timer(on: loop) { [unowned self] in fired() }
    timer.schedule(after: policy.interval)
    self.timer = timer
  }

  private func fired() {
    switch keepalive.timerFired(receivedBytes: connection.receivedBytes, hasCalls: connection.session.streamCount > 0) {
    case .wait(let time):
      timer?.schedule(after: time)
    case .ping(let time):
      connection.session.ping()
      timer?.schedule(after: time)
    case .close:
      connection.close()
    }
  }
}
