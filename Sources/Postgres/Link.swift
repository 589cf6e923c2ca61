import EventLoop
import Logging

/// What hears of a link's life: the pool, or a listener.
protocol LinkOwner: AnyObject {
  /// The link can be used: it has connected, or it has tidied up after its last user.
  func linkReady(_ link: Link)
  /// The link is of no more use; called once.
  func linkClosed(_ link: Link, _ error: PostgresError)
}

/// One connection to the server, from its first packet to its end, with at most one exchange on the wire. Confined to its loop.
///
///                               ┌────────── the exchange ended ─────────┐
///                               ▼                                       │
///     connecting ──connected──► idle ──an exchange is sent──────────► busy
///         │                     ▲ │                                     │
///         │                     │ └─returned inside a transaction─┐     │ its caller left, or its deadline passed
///         │          tidied up  │                                 ▼     ▼
///         │                     └──────────────────────────────── settling
///         ▼                     ▼                                   ▼   ▼
///       closed ◄───────── the connection is lost, from any state ───────┘
///
/// A link is not used again after `closed`; its owner makes another one.
final class Link: @unchecked Sendable {
  enum State {
    case connecting
    case idle
    /// Somebody waits for the exchange on the wire.
    case busy
    /// Nobody waits: the exchange is cancelled and read to its end, an open transaction is rolled back.
    case settling(Settling)
    case closed(PostgresError)
  }

  struct Settling {
    /// No cancel request is under way that could hit the next statement.
    var isCancelOver: Bool
    /// A round trip has followed the cancel request, or is under way.
    var isProven: Bool
    var rounds = 0
    var cancelRequests = 0
    var limit = ContinuousClock.now + Link.settleLimit
  }

  /// What is on the wire, that is: how input is read.
  enum Traffic {
    case none
    /// Commands in pipeline mode up to one sync.
    case unit
    /// A script in simple mode.
    case script
    /// A script in simple mode that ends with COPY TO STDOUT.
    case copy
  }

  /// One command of a unit, in the order in which they were sent.
  enum Command {
    case timeout(milliseconds: Int)
    case control
    case prepare(name: String)
    case query(name: String)

    var name: String? {
      switch self {
      case .timeout, .control: nil
      case .prepare(let name), .query(let name): name
      }
    }
  }

  /// How long tidying up may take before the connection is given up.
  static let settleLimit = Duration.seconds(5)

  let slot: Int
  let loop: EventLoop
  let configuration: PostgresConfiguration
  let encoder: ParameterEncoder
  let logger: Logger
  let wire: Wire
  weak var owner: (any LinkOwner)?
  var onNotification: ((PostgresNotification) -> Void)?

  var state = State.connecting
  var traffic = Traffic.none
  var watcher: SocketWatcher?
  var timer: Timer?
  var canceller: Canceller?
  /// Whoever waits: for the end of the exchange, or for input of a COPY.
  var waiter: Promise<Void>?
  /// Counts exchanges, so that a caller that comes back late knows that its own is over.
  var serial = 0

  // The exchange on the wire.
  var commands: [Command] = []
  var position = 0
  var results: [PostgresResult] = []
  var failure: PostgresError?
  var deadline: ContinuousClock.Instant?

  // The COPY on the wire.
  /// Reads since its reader last waited for the loop.
  var eagerReads = 0
  /// A row has come out of the last read.
  var hasCopied = false
  /// Made for the first COPY.
  var gathering: FineTimer?
  /// Its reader waits for the timer, not for the socket.
  var isGathering = false

  // What the server remembers for this connection.
  var prepared: [String: PreparedStatement] = [:]
  /// The server's `statement_timeout` in milliseconds; nil when a rollback may have changed it.
  var serverTimeout: Int?
  /// By which settings the server plans; nil when a rollback may have changed them.
  var planning: Statement.Planning? = .automatic

  /// Settings go back with the transaction.
  func forgetSettings() {
    serverTimeout = nil
    planning = nil
  }

  /// Begins to connect; the owner hears of the outcome.
  init(
    slot: Int, on loop: EventLoop, configuration: PostgresConfiguration, settings: ConnectionSettings,
    encoder: ParameterEncoder, logger: Logger
  ) {
    self.slot = slot
    self.loop = loop
    self.configuration = configuration
    self.encoder = encoder
    self.logger = logger
    wire = Wire(connecting: settings.keywords, logger: logger)
    timer = Timer(on: loop) { [unowned self] in timePassed() }
  }

  deinit {
    // Before libpq closes the socket.
    watcher = nil
  }

  var isIdle: Bool {
    if case .idle = state { true } else { false }
  }

  var isClosed: Bool {
    if case .closed = state { true } else { false }
  }

  /// Takes the link back from its user, in whatever state it was left.
  /// - Returns: Whether it can be used again at once; if not, the owner hears when it can, or that it is closed.
  func retire() -> Bool {
    switch state {
    case .idle:
      guard wire.isInTransaction else { return true }
      state = .settling(Settling(isCancelOver: true, isProven: true))
      settle()
      return false
    case .busy:
      abandon()
      return false
    case .connecting, .settling, .closed:
      return false
    }
  }

  /// Ends the connection; whoever waits for it gets the error.
  func close(_ error: PostgresError) {
    if case .closed = state { return }
    let wasConnecting = if case .connecting = state { true } else { false }
    state = .closed(wasConnecting ? PostgresError(.connectFailed, error.message, sqlState: error.sqlState) : error)
    traffic = .none
    timer?.cancel()
    watcher?.stop()
    watcher = nil
    wire.close()
    results.removeAll()
    takeWaiter()?.fail(error)
    if case .closed(let reason) = state { owner?.linkClosed(self, reason) }
  }

  /// Ends the connection for the reason that libpq gives.
  func lost() {
    close(
      failure.map { PostgresError(.connectionLost, $0.message, sqlState: $0.sqlState) }
        ?? PostgresError(.connectionLost, wire.message))
  }

  func takeWaiter() -> Promise<Void>? {
    defer { waiter = nil }
    return waiter
  }

  // MARK: Input and output

  func inputArrived() {
    guard wire.consume() else { return lost() }
    switch traffic {
    case .none:
      // Notices, changed settings, and the server's farewell.
      _ = wire.isBusy
      if wire.isBroken { return lost() }
    case .unit: receiveUnit()
    case .script: receiveScript()
    case .copy: copyInputArrived()
    }
    deliverNotifications()
  }

  /// Hands the output to the system, now and whenever it has room again.
  func flush() {
    switch wire.flush() {
    case .done: watcher?.watchesWriting = false
    case .writing, .reading: watcher?.watchesWriting = true
    case .failed: lost()
    }
  }

  private func deliverNotifications() {
    guard let onNotification else { return }
    while let notification = wire.notification() { onNotification(notification) }
  }

  private func timePassed() {
    switch state {
    case .connecting:
      close(PostgresError(.connectFailed, "no answer from the server within \(configuration.connectTimeout)"))
    case .busy:
      let waiter = takeWaiter()
      abandon()
      waiter?.fail(PostgresError.timedOut)
    case .settling(let settling):
      cancelAgain(settling)
    case .idle, .closed:
      break
    }
  }
}

/// A statement as this connection's server knows it.
struct PreparedStatement {
  let sql: String
  /// Distinguishes the names under which the server knows it, when it had to be prepared again.
  var generation: Int
  var types: [UInt32]
  var isCurrent: Bool
}
