import EventLoop

/// A session on a socket. Confined to its loop.
///
/// Reads when the socket has something, and writes once a turn: everything that the turn's calls queued goes out in one system
/// call. While the socket takes no more, nothing further is gathered, so that a slow peer costs at most `gatherLimit` here.
/// A connection that is not closed keeps itself alive: its calls may outlive whoever made it.
///
///     open ──shutDown──► draining ──last stream ended──► closed
///       └──error, peer's close, close()──┴─────────────────┘
package final class HTTP2Connection: EventLoop.TurnEnd, @unchecked Sendable {
  private enum State {
    case open, draining, closed
  }

  /// How many bytes are gathered from the session for one write.
  private static let gatherLimit = 256 << 10

  package let session: Session
  private let socket: Socket
  private let loop: EventLoop
  private let buffers: ConnectionBuffers
  private var watcher: SocketWatcher?
  private var state = State.open
  /// What the socket did not take yet.
  private var pending: ArraySlice<UInt8> = []
  private var isFlushScheduled = false
  private var failure: (any Error)?
  private var onClose: (((any Error)?) -> Void)?
  private var keepAlive: HTTP2Connection?

  /// - Parameter onClose: Called once, after all streams have been closed, with the error that ended the connection, if one
  ///   did.
  package init(
    _ socket: Socket, session: Session, buffers: ConnectionBuffers, onClose: @escaping ((any Error)?) -> Void
  ) {
    self.socket = socket
    self.session = session
    self.buffers = buffers
    self.onClose = onClose
    loop = session.loop
    let watcher = SocketWatcher(
      socket, on: loop, onReadable: { [unowned self] in readable() }, onWritable: { [unowned self] in flush() })
    self.watcher = watcher
    session.setOutputHandler { [unowned self] in scheduleFlush() }
    watcher.watchesReading = true
    keepAlive = self
    scheduleFlush()
  }

  package var isOpen: Bool { state != .closed && failure == nil }

  /// Takes no more streams and closes when the last one has ended.
  package func shutDown() {
    guard state == .open else { return }
    state = .draining
    session.announceShutdown()
  }

  /// Closes at the end of the turn, whatever is going on; what is already gathered is still written if the socket takes it.
  package func close(_ error: (any Error)? = nil) {
    guard state != .closed else { return }
    failure = error ?? failure ?? HTTP2Error.connectionClosed
    scheduleFlush()
  }

  // MARK: Reading

  private func readable() {
    guard isOpen else { return }
    do {
      switch try socket.read(into: buffers.input) {
      case .bytes(let count): try session.receive(.init(rebasing: buffers.input[..<count]))
      case .wouldBlock: return
      case .closed: close()
      }
      scheduleFlush()
    } catch {
      close(error)
    }
  }

  // MARK: Writing

  private func scheduleFlush() {
    guard !isFlushScheduled, state != .closed else { return }
    isFlushScheduled = true
    loop.atTurnEnd(self)
  }

  package func turnEnded() {
    isFlushScheduled = false
    flush()
  }

  private func flush() {
    guard state != .closed else { return }
    do { try writeAll() } catch { failure = failure ?? error }
    if failure != nil || (session.isFinished && pending.isEmpty) { finish() }
  }

  private func writeAll() throws {
    while true {
      if !pending.isEmpty {
        let written = try pending.withUnsafeBytes { try socket.write($0) }
        pending = pending.dropFirst(written)
        guard pending.isEmpty else { break }
        pending = []
      }
      buffers.output.removeAll(keepingCapacity: true)
      try session.gather(into: &buffers.output, limit: Self.gatherLimit)
      guard !buffers.output.isEmpty else { break }
      let written = try buffers.output.withUnsafeBytes { try socket.write($0) }
      if written < buffers.output.count {
        pending = ArraySlice(Array(buffers.output[written...]))
        break
      }
    }
    watcher?.watchesWriting = !pending.isEmpty
  }

  private func finish() {
    state = .closed
    watcher?.stop()
    session.setOutputHandler {}
    session.connectionLost()
    let handler = onClose
    onClose = nil
    handler?(failure)
    keepAlive = nil
  }
}

/// The buffers that all connections of one loop use in turn, so that an idle connection owns none. Confined to its loop.
package final class ConnectionBuffers: @unchecked Sendable {
  let input = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 16)
  var output: [UInt8] = []

  package init() {}

  deinit {
    input.deallocate()
  }
}
