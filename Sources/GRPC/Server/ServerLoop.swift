import EventLoop
import HTTP2
import TLS

/// A server's share on one loop: its listener, its connections, its handlers. Confined to its loop.
final class ServerLoop: @unchecked Sendable {
  let loop: EventLoop
  let configuration: ServerConfiguration
  let limits: SharedLimits
  let hooks: ServerHooks
  let router: Router
  let codec = MessageCodec()
  let runner: HandlerRunner
  let tally = ConnectionTally()
  /// What has arrived on all connections and waits.
  let input: InputLedger
  private let budget: ConnectionBudget
  private let buffers = ConnectionBuffers()
  private var listener: Listener?
  private(set) var connections: [ObjectIdentifier: ServerConnection] = [:]
  var requestIDs = RequestIDMaker()
  private var handshakes: [ObjectIdentifier: TLSHandshake] = [:]
  private(set) var handshakesFailed: UInt64 = 0
  private var drained: Promise<Void>?
  private var lookTimer: Timer?

  init(
    on loop: EventLoop, configuration: ServerConfiguration, hooks: ServerHooks, router: Router,
    budget: ConnectionBudget
  ) {
    self.loop = loop
    runner = HandlerRunner(on: loop)
    self.configuration = configuration
    limits = SharedLimits(configuration.limits)
    self.hooks = hooks
    self.router = router
    self.budget = budget
    input = InputLedger(limit: configuration.limits.queuedInputOfLoop, within: nil)
  }

  func listen(at address: SocketAddress) throws {
    listener = try Listener(at: address, on: loop) { [unowned self] in accepted($0) }
  }

  var counters: ConnectionCounters {
    var counters = tally.counters
    counters.connections = connections.count
    return counters
  }

  func accepted(_ socket: Socket) {
    tally.counters.connectionsAccepted += 1
    guard budget.take() else {
      // The socket closes here: the client sees it at once, and tries another server or later.
      tally.counters.connectionsRefused += 1
      hooks.cutOff?(.connections, socket.peer)
      return
    }
    guard let tls = configuration.tls else { return begin(Transport(socket)) }
    guard let session = try? TLSSession(tls.context) else { return budget.giveBack() }
    var id: ObjectIdentifier?
    let handshake = TLSHandshake(
      socket, session, on: loop, buffers: buffers, timeout: configuration.tlsHandshakeTimeout
    ) { [weak self, budget] result in
      if let id { self?.handshakes[id] = nil }
      switch result {
      case .success(let transport):
        if let self { begin(transport) } else { budget.giveBack() }
      case .failure(is CancellationError):
        budget.giveBack()
      case .failure(let error):
        budget.giveBack()
        self?.handshakesFailed &+= 1
        self?.hooks.handshakeFailed?(error)
      }
    }
    id = ObjectIdentifier(handshake)
    handshakes[ObjectIdentifier(handshake)] = handshake
  }

  private func begin(_ transport: Transport) {
    do {
      let connection = try ServerConnection(transport, on: self, buffers: buffers) { self.closed($0) }
      connections[ObjectIdentifier(connection)] = connection
      if lookTimer == nil { startLooking() }
    } catch {
      budget.giveBack()
    }
  }

  private func closed(_ connection: ServerConnection) {
    guard connections.removeValue(forKey: ObjectIdentifier(connection)) != nil else { return }
    budget.giveBack()
    if connections.isEmpty { drained?.succeed(()) }
  }

  // MARK: Looking at the connections

  private func startLooking() {
    let timer = Timer(on: loop) { [unowned self] in look() }
    lookTimer = timer
    timer.schedule(after: configuration.limits.lookInterval)
  }

  /// One timer for all: one for each connection would cost an idle one more than the look does.
  private func look() {
    let now = ContinuousClock.now
    for connection in Array(connections.values) { connection.look(at: now) }
    // A server without connections sleeps.
    if connections.isEmpty { lookTimer = nil } else { lookTimer?.schedule(after: configuration.limits.lookInterval) }
  }

  // MARK: Stopping

  /// Takes no more connections.
  func stopListening() {
    listener = nil
  }

  /// Takes no more connections and calls, waits for those that are going on, and closes what is left after `grace`.
  func shutDown(grace: Duration) async {
    listener = nil
    for handshake in handshakes.values { handshake.cancel() }
    guard !connections.isEmpty else { return }
    let drained = Promise<Void>(on: loop)
    self.drained = drained
    for connection in connections.values { connection.shutDown() }
    let timer = Timer(on: loop) { self.connections.values.forEach { $0.end() } }
    timer.schedule(after: grace)
    defer { timer.cancel() }
    _ = try? await drained.value()
  }
}
