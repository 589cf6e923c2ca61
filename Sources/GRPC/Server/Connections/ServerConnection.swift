import EventLoop
import HTTP2

/// One connection of a server: its handlers' turns, and the look at whether it may go on. Confined to its loop.
final class ServerConnection: @unchecked Sendable {
  let server: ServerLoop
  /// What has arrived on all streams and waits.
  let input: InputLedger
  let inbound: InboundContext
  private let http2: HTTP2Connection
  private var watch: ConnectionWatch
  private var lookedAt: ContinuousClock.Instant
  private var running = 0
  /// Calls that wait for a handler to return, in order; at most as many as the client may have streams.
  private var waiting: [ServerStream] = []
  private var isStartingWaiting = false

  /// - Throws: `HTTP2Error` when memory runs out.
  init(
    _ transport: Transport, on server: ServerLoop, buffers: ConnectionBuffers,
    onClose: @escaping (ServerConnection) -> Void
  ) throws(HTTP2Error) {
    self.server = server
    let configuration = server.configuration
    input = InputLedger(limit: configuration.limits.queuedInput, within: server.input)
    inbound = InboundContext(
      on: server.loop, codec: server.codec, limit: configuration.maxMessageSize,
      highWater: configuration.inboundHighWater, ledger: input)
    let opened = Opened()
    let session = try Session(
      .server, configuration: configuration.http2, on: server.loop, tally: server.tally, memory: buffers.memory,
      onStream: { stream in
        opened.connection?.opened(stream)
      })
    lookedAt = .now
    watch = ConnectionWatch(server.limits, openedAt: lookedAt)
    // Connections may outlive the server's owner, and keep the share alive: what they hold is released when they close.
    http2 = HTTP2Connection(transport, session: session, buffers: buffers) { _ in
      if let connection = opened.connection {
        if let flood = connection.http2.session.refused { connection.tell(CutOff(flood)) }
        onClose(connection)
      }
      opened.connection = nil
    }
    opened.connection = self
  }

  /// Keeps the connection alive until it closes.
  private final class Opened {
    var connection: ServerConnection?
  }

  func shutDown() {
    http2.shutDown()
  }

  /// Closes the connection; calls that are going on are answered with UNAVAILABLE, as far as the client takes that.
  func end() {
    http2.session.forEachDelegate { ($0 as? ServerStream)?.refuse(RPCError(.unavailable, "the server ends the call")) }
    http2.close()
  }

  /// Streams whose handler has not started cost memory, too.
  private func opened(_ stream: HTTP2Stream) {
    guard server.tally.counters.streams < server.configuration.limits.runningHandlers else {
      server.tally.counters.streamsRefused += 1
      return stream.reset(.refusedStream)
    }
    server.tally.counters.streams += 1
    stream.delegate = ServerStream(stream, of: self)
  }

  func streamClosed() {
    server.tally.counters.streams -= 1
  }

  /// A request that is no gRPC call.
  func count(_ reason: PlainAnswer.Reason) {
    switch reason {
    case .method: server.tally.counters.methodsRefused += 1
    case .contentType: server.tally.counters.contentTypesRefused += 1
    }
  }

  // MARK: Handlers

  /// Starts a call's handler, now or when another one has returned. The handlers of streams that the client has reset count
  /// until they return, so that a client cannot have more of them than it may have streams.
  func start(_ stream: ServerStream) {
    guard running < Int(server.configuration.http2.maxConcurrentStreams) else {
      server.tally.counters.handlersDelayed += 1
      server.tally.counters.waitingHandlers += 1
      waiting.append(stream)
      return
    }
    run(stream)
  }

  private func run(_ stream: ServerStream) {
    guard server.tally.counters.runningHandlers < server.configuration.limits.runningHandlers else {
      server.tally.counters.handlersRefused += 1
      return stream.refuse(RPCError(.unavailable, "the server runs as many calls as it may; try again"))
    }
    running += 1
    server.tally.counters.runningHandlers += 1
    stream.becameReady()
    server.runner.run(stream)
  }

  func handlerReturned() {
    running -= 1
    server.tally.counters.runningHandlers -= 1
    // One that returns at once must not start the next one from within.
    guard !isStartingWaiting else { return }
    isStartingWaiting = true
    defer { isStartingWaiting = false }
    while !waiting.isEmpty, running < Int(server.configuration.http2.maxConcurrentStreams) {
      let stream = waiting.removeFirst()
      server.tally.counters.waitingHandlers -= 1
      if !stream.hasEnded { run(stream) }
    }
  }

  /// A call has gone before its turn came.
  func leave(_ stream: ServerStream) {
    guard let index = waiting.firstIndex(where: { $0 === stream }) else { return }
    waiting.remove(at: index)
    server.tally.counters.waitingHandlers -= 1
  }

  // MARK: Looking

  func look(at now: ContinuousClock.Instant) {
    let session = http2.session
    session.refill(seconds: (now - lookedAt) / .seconds(1))
    lookedAt = now
    switch watch.look(facts, at: now) {
    case .none: break
    case .ping: session.ping()
    case .drain(let reason):
      count(reason)
      http2.shutDown()
    case .close(let reason):
      count(reason)
      tell(CutOff(reason))
      if reason == .overdue { end() } else { http2.close() }
    }
  }

  private func tell(_ limit: CutOff) {
    server.hooks.cutOff?(limit, http2.peer)
  }

  private var facts: ConnectionWatch.Facts {
    let session = http2.session
    return ConnectionWatch.Facts(
      isEstablished: session.isEstablished, receivedBytes: http2.receivedBytes,
      receivedFrames: session.receivedFrames, isWithinFrame: session.isWithinFrame,
      openedCalls: session.openedStreams, calls: session.streamCount + running,
      queuedOutput: session.queuedOutput, sentOutput: session.sentOutput, unwrittenBytes: http2.unwrittenBytes,
      writtenBytes: http2.writtenBytes)
  }

  private func count(_ reason: ConnectionWatch.Reason) {
    switch reason {
    case .handshake: server.tally.counters.handshakesTimedOut += 1
    case .frame: server.tally.counters.framesTimedOut += 1
    case .stalled: server.tally.counters.connectionsStalled += 1
    case .crowded: server.tally.counters.connectionsCrowded += 1
    case .idle: server.tally.counters.connectionsIdle += 1
    case .aged: server.tally.counters.connectionsAged += 1
    case .overdue: server.tally.counters.connectionsOverdue += 1
    case .keepalive: server.tally.counters.keepalivesTimedOut += 1
    }
  }
}
