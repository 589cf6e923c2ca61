import EventLoop
import TLS

/// Brings TLS up on a socket, within a time. Confined to its loop; keeps itself alive until its end.
///
///     waiting ──complete──► ended
///        └──failed, timed out, peer's close, cancel()──► ended
///
/// A connection has no HTTP/2 session before its handshake is done, so a peer that only connects costs little.
package final class TLSHandshake: @unchecked Sendable {
  private let socket: Socket
  private let session: TLSSession
  private let loop: EventLoop
  private let buffers: ConnectionBuffers
  private var watcher: SocketWatcher?
  private var timer: Timer?
  private var onEnd: ((Result<Transport, any Error>) -> Void)?
  private var keepAlive: TLSHandshake?

  /// - Parameter onEnd: Called once, in a later turn.
  package init(
    _ socket: Socket, _ session: TLSSession, on loop: EventLoop, buffers: ConnectionBuffers, timeout: Duration,
    onEnd: @escaping (Result<Transport, any Error>) -> Void
  ) {
    self.socket = socket
    self.session = session
    self.loop = loop
    self.buffers = buffers
    self.onEnd = onEnd
    let timer = Timer(on: loop) { [unowned self] in end(.failure(TLSError.handshakeTimedOut)) }
    timer.schedule(after: timeout)
    self.timer = timer
    let watcher = SocketWatcher(
      socket, on: loop, onReadable: { [unowned self] in readable() }, onWritable: { [unowned self] in send() })
    watcher.watchesReading = true
    self.watcher = watcher
    keepAlive = self
    // A client speaks first.
    loop.execute { [self] in advance(.init(start: nil, count: 0)) }
  }

  /// Ends it with CancellationError; without effect when it has ended.
  package func cancel() {
    end(.failure(CancellationError()))
  }

  private func readable() {
    do {
      switch try socket.read(into: buffers.input) {
      case .bytes(let count): advance(.init(rebasing: buffers.input[..<count]))
      case .wouldBlock: break
      case .closed: throw TLSError.closed
      }
    } catch {
      end(.failure(error))
    }
  }

  private func advance(_ bytes: UnsafeRawBufferPointer) {
    guard onEnd != nil else { return }
    let result = Result { try session.handshake(bytes) }
    // Also when it failed: an alert tells the peer why.
    send()
    switch result {
    case .success(true): end(.success(Transport(socket, tls: session)))
    case .success(false): break
    case .failure(let error): end(.failure(error))
    }
  }

  private func send() {
    guard onEnd != nil else { return }
    do {
      let written = try session.outgoing.withUnsafeBytes { try $0.isEmpty ? 0 : socket.write($0) }
      session.outgoing.removeFirst(written)
      watcher?.watchesWriting = !session.outgoing.isEmpty
    } catch {
      end(.failure(error))
    }
  }

  private func end(_ result: Result<Transport, any Error>) {
    guard let onEnd else { return }
    self.onEnd = nil
    watcher?.stop()
    timer?.cancel()
    onEnd(result)
    // Not at once: this may be one of the watcher's own callbacks.
    loop.execute { [self] in
      watcher = nil
      timer = nil
      keepAlive = nil
    }
  }
}

extension Transport {
  /// Brings TLS up on a connected socket. Runs on `loop`.
  /// - Parameter serverName: What the server's certificate must be for.
  /// - Throws: `TLSError`, `SocketError`, `CancellationError`
  package static func secured(
    _ socket: Socket, _ context: TLSContext, serverName: String, on loop: EventLoop, buffers: ConnectionBuffers,
    timeout: Duration
  ) async throws -> Transport {
    let promise = Promise<Transport>(on: loop)
    let session = try TLSSession(context, serverName: serverName)
    let handshake = TLSHandshake(socket, session, on: loop, buffers: buffers, timeout: timeout) { promise.settle($0) }
    defer { handshake.cancel() }
    return try await promise.value()
  }
}
