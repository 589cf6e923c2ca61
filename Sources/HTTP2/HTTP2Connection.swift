import EventLoop
import TLS

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

  /// How many bytes are gathered from the session for one write. What the socket does not take of them is held for each connection
  /// whose peer is slow; more at once would save next to nothing.
  private static let gatherLimit = 64 << 10

  package let session: Session
  private let transport: Transport
  private let loop: EventLoop
  private let buffers: ConnectionBuffers
  private var watcher: SocketWatcher?
  private var state = State.open
  private var isFlushScheduled = false
  private var failure: (any Error)?
  private var onClose: (((any Error)?) -> Void)?
  private var keepAlive: HTTP2Connection?

  /// - Parameter onClose: Called once, after all streams have been closed, with the error that ended the connection, if one
  ///   did.
  package init(
    _ transport: Transport, session: Session, buffers: ConnectionBuffers, onClose: @escaping ((any Error)?) -> Void
  ) {
    self.transport = transport
    self.session = session
    self.buffers = buffers
    self.onClose = onClose
    loop = session.loop
    let watcher = SocketWatcher(
      transport.socket, on: loop, onReadable: { [unowned self] in readable() },
      onWritable: { [unowned self] in flush() })
    self.watcher = watcher
    session.setOutputHandler { [unowned self] in scheduleFlush() }
    watcher.watchesReading = true
    keepAlive = self
    scheduleFlush()
    if transport.hasLeftover { loop.execute { [self] in readable() } }
  }

  /// Bytes that arrived, and that the socket took.
  package private(set) var receivedBytes = 0
  package var writtenBytes: Int { transport.writtenBytes }

  /// Bytes that are gathered and that the socket has not taken.
  package var unwrittenBytes: Int { transport.unwrittenBytes }

  /// Where the other end is; nil when it has gone.
  package var peer: SocketAddress? { transport.socket.peer }

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
      let isOpen = try transport.read(buffers) { bytes in
        receivedBytes &+= bytes.count
        try session.receive(bytes)
      }
      if transport.isBlocked { try session.checkUnread() }
      if !isOpen { close() }
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
    do { try writeAll() } catch { failure = failure ?? lastWords(before: error) }
    if failure != nil || (session.isFinished && !transport.isBlocked) { finish() }
  }

  /// Who closed its side while we were writing may have said why (an answer, a TLS alert), in what is not read yet.
  private func lastWords(before error: any Error) -> any Error {
    guard error is SocketError else { return error }
    do { _ = try transport.read(buffers) { try session.receive($0) } } catch {
      if error is TLSError { return error }
    }
    return error
  }

  private func writeAll() throws {
    var hasRoom = try transport.flush()
    while hasRoom {
      buffers.output.removeAll(keepingCapacity: true)
      try session.gather(into: &buffers.output, limit: Self.gatherLimit)
      guard !buffers.output.isEmpty else { break }
      hasRoom = try transport.write(buffers.output, buffers)
    }
    watcher?.watchesWriting = transport.isBlocked
  }

  private func finish() {
    state = .closed
    watcher?.stop()
    transport.close()
    session.setOutputHandler {}
    session.connectionLost(failure)
    let handler = onClose
    onClose = nil
    handler?(failure)
    keepAlive = nil
  }
}
