import EventLoop
import HTTP2

/// One call on the server: the request's headers and messages in, the handler's task, the response out. Confined to its loop.
///
/// The response side; `ended` may be reached before the handler has returned (a deadline, a refusal), and what the handler
/// does after that has no effect:
///
///     none ──first message──► headersSent ──trailers──► ended
///       └────────trailers-only answer, or the stream closed────┘
final class ServerStream: StreamDelegate, @unchecked Sendable {
  private enum Response {
    case none, headersSent, ended
  }

  private enum Handler {
    /// The request's headers are arriving.
    case none
    case idle
    /// Until others of the connection return.
    case waiting
    /// Its turn has come: it begins when what has arrived is read.
    case ready
    case running, returned
  }

  private static let okTrailers = PreparedHeaders(["grpc-status": "0", "x-request-id": ""])

  let stream: HTTP2Stream
  let inbound: InboundMessages
  private let connection: ServerConnection
  private var head = RequestHead()
  private var response = Response.none
  var answer = ServerAnswer()
  private var handler = Handler.none
  /// The handler's task, unless it returned without ever suspending.
  private var task: Task<Void, Never>?
  private var deadlineTimer: Timer?
  /// Why the task was cancelled, when it was.
  private var ending: RPCError?
  private(set) var deadline: ContinuousClock.Instant?
  /// Of the call's method; set when its headers have arrived.
  /// The server's router keeps it, without being asked to for each of the calls.
  private(set) unowned(unsafe) var statistics: MethodStatistics
  /// When the headers arrived, and when the call had ended: 0 until then (`MonotonicTime`).
  private(set) var started: UInt64 = 0
  private(set) var finished: UInt64 = 0

  init(_ stream: HTTP2Stream, of connection: ServerConnection) {
    self.stream = stream
    self.connection = connection
    statistics = connection.server.router.unknown
    inbound = InboundMessages(connection.inbound)
  }

  private var server: ServerLoop { connection.server }
  var loop: EventLoop { connection.server.loop }
  var route: Route? { head.route }
  var metadata: Metadata { head.metadata }
  /// The caller's or the one made for this call.
  var requestID: String { head.requestID ?? RequestIDMaker.text(madeID) }
  private lazy var madeID = server.requestIDs.next()

  // MARK: From the peer

  func streamReceivedHeaders(_ stream: HTTP2Stream, _ headers: ReceivedHeaders, endStream: Bool) {
    // Trailers of a request mean nothing in gRPC.
    if handler == .none {
      head.take(headers, router: server.router)
      begin()
    }
    if endStream { stream.delegate?.streamReceivedEnd(stream) }
  }

  private func begin() {
    handler = .idle
    started = loop.turnTime
    let isTooLarge = stream.isHeaderListTooLarge
    guard !isTooLarge, head.isServable else { return refuse(head.refusal(isTooLarge: isTooLarge)) }
    countStart()
    if let encoding = head.encoding { inbound.encoding = encoding }
    if let timeout = head.timeout { startDeadline(timeout) }
    if head.route?.start == .atOnce { startTask() }
  }

  private func refuse(_ refusal: RequestHead.Refusal?) {
    switch refusal {
    case .http(let reason):
      connection.count(reason)
      stream.delegate = PlainAnswer(reason, to: stream, of: connection)
    case .rpc(let error):
      countStart()
      end(error)
    case nil: break
    }
  }

  private func countStart() {
    if let route = head.route { statistics = route.statistics }
    statistics.started &+= 1
  }

  private func startDeadline(_ timeout: Duration) {
    deadline = .now + timeout
    let timer = Timer(on: loop) { [unowned self] in deadlinePassed() }
    timer.schedule(after: timeout)
    deadlineTimer = timer
  }

  func streamReceivedData(_ stream: HTTP2Stream, _ bytes: UnsafeRawBufferPointer) {
    guard response != .ended else { return }  // Without credit the sender stops; RST_STREAM is on its way.
    do { try inbound.receive(bytes, of: stream) } catch { return abandon(error) }
    if connection.input.isOver {
      server.tally.counters.inputsRefused += 1
      abandon(RPCError(.resourceExhausted, "too much of this connection's requests waits; send less at once"))
      return
    }
    if route?.start == .whenRequestEnded, inbound.count > 1 {
      abandon(
        RPCError(.unimplemented, "more than one message for a method that takes one", reason: "TOO_MANY_MESSAGES"))
    }
  }

  func streamReceivedEnd(_ stream: HTTP2Stream) {
    guard response != .ended else { return }
    do { try inbound.end() } catch { return abandon(error) }
    if route?.start == .whenRequestEnded, handler == .idle { startTask() }
  }

  func streamClosed(_ stream: HTTP2Stream, _ code: HTTP2ErrorCode, connectionLost: Bool) {
    connection.streamClosed()
    deadlineTimer = nil
    let wasEnded = response == .ended
    response = .ended
    // The usual case: nobody is left who could want to know.
    if wasEnded, handler == .returned { return }
    inbound.fail(connectionLost ? .connectionLost : .cancelled)
    ending = ending ?? .cancelled
    task?.cancel()
    if handler == .waiting { connection.leave(self) }
    if !wasEnded, handler != .none { count(.cancelled) }
  }

  /// The call has ended with this status.
  private func count(_ code: StatusCode) {
    finished = MonotonicTime.now
    statistics.ended(code, after: finished &- started)
    server.hooks.callEnded?(ServerCall(stream: self), code)
  }

  // MARK: The handler

  private func startTask() {
    handler = .waiting
    connection.start(self)
  }

  /// The handler's turn has come: `runHandler()` follows.
  func becameReady() {
    handler = .ready
  }

  /// Runs the handler, unless nobody waits for an answer any more.
  func runHandler() async {
    if !hasEnded {
      handler = .running
      do {
        try await route?.run(self)
        end(nil)
      } catch {
        end(status(of: error))
      }
    }
    handler = .returned
    task = nil
    connection.handlerReturned()
  }

  /// The handler waits for something; the task is its own.
  func waits(in task: Task<Void, Never>) {
    self.task = task
  }

  /// Answers with an error instead of starting the handler.
  func refuse(_ error: RPCError) {
    abandon(error)
  }

  /// Whether nobody waits for an answer any more.
  var hasEnded: Bool { response == .ended }

  private func status(of error: any Error) -> RPCError {
    if let ending { return ending }
    if let error = error as? RPCError { return error }
    if error is CancellationError || error is HTTP2Error { return .cancelled }
    return server.hooks.status(error, ServerCall(stream: self))
  }

  /// Answers with an error at once and cancels the handler.
  private func abandon(_ error: RPCError) {
    ending = ending ?? error
    inbound.fail(error)
    end(error)
    task?.cancel()
  }

  /// When the peer has not even taken what is queued for it, the stream is reset: a status would wait behind that for ever.
  private func deadlinePassed() {
    let isStuck = stream.queuedBytes > 0
    abandon(.deadlineExceeded)
    if isStuck { stream.reset(.cancel) }
  }

  /// The one request of a call that has exactly one.
  func singleRequest<Request>(_ coding: MessageCoding<Request>) throws -> Request {
    guard let message = try inbound.take(from: nil) else {
      throw RPCError(.unimplemented, "no message for a method that takes one", reason: "NO_MESSAGE")
    }
    statistics.received &+= 1
    return try message.withUnsafeBytes { try coding.decode($0) }
  }

  // MARK: The response

  func send<Message>(_ message: Message, _ coding: MessageCoding<Message>, compressed: Bool? = nil) throws {
    try sendHeaders()
    let compression = answer.compression(
      compressed, server.codec, threshold: server.configuration.compressionThreshold)
    try stream.write { try coding.frame(message, into: &$0, compression) }
    statistics.sent &+= 1
  }

  /// Without effect when they have been sent.
  func sendHeaders() throws {
    switch response {
    case .none:
      try checkInitialMetadata()
      response = .headersSent
      answer.respond(
        on: stream, accepted: head.acceptedEncoding, compressesByDefault: server.configuration.compressesAnswers)
    case .headersSent: break
    case .ended: throw ending ?? .cancelled
    }
  }

  /// What cannot be sent ends the call; the handler's owner is told why, the caller only that it is not its fault.
  private func checkInitialMetadata() throws {
    do { try answer.initialMetadata.check() } catch {
      answer.initialMetadata = Metadata()
      let error = status(of: error)
      abandon(error)
      throw error
    }
  }

  func waitForRoom(_ bytes: Int? = nil) async throws {
    guard bytes != nil || stream.isFull else { return }
    try await stream.waitForRoom(bytes)
  }

  /// Ends the response; only the first call has an effect.
  private func end(_ error: RPCError?) {
    switch (response, error) {
    case (.ended, _): break
    case (.headersSent, nil) where head.requestID == nil && answer.trailingMetadata.isEmpty:
      response = .ended
      count(.ok)
      stream.finish(Self.okTrailers, lastValue: madeID)
    default: endWithFields(error)
    }
  }

  private func endWithFields(_ error: RPCError?) {
    // Metadata that a handler wants before the status needs headers of its own.
    if response == .none, !answer.initialMetadata.isEmpty {
      try? sendHeaders()
      if response == .ended { return }
    }
    var error = error
    do { try answer.trailingMetadata.check() } catch let unsendable {
      answer.trailingMetadata = Metadata()
      error = status(of: unsendable)
    }
    let before = response
    response = .ended
    count(error?.code ?? .ok)
    if error?.reason == .messageTooLarge { server.tally.counters.messagesRefused += 1 }
    error = error.map { server.hooks.completed?($0, ServerCall(stream: self)) ?? $0 }
    guard before == .none else { return stream.finish(trailers: trailers(error, into: HeaderBlock())) }
    var headers: HeaderBlock = [":status": "200", "content-type": "application/grpc"]
    // Tells a caller whose coding is not known which ones are.
    if error?.code == .unimplemented { headers.append("grpc-accept-encoding", MessageEncoding.accepted) }
    stream.respondAndEnd(trailers(error, into: headers))
  }

  private func trailers(_ error: RPCError?, into headers: HeaderBlock) -> HeaderBlock {
    var headers = headers.with("grpc-status", "\(error?.code.rawValue ?? 0)")
    answer.trailingMetadata.write(to: &headers)
    headers.append("x-request-id", requestID)
    guard let error else { return headers }
    if !error.message.isEmpty { headers.append("grpc-message", PercentEncoding.encode(error.message)) }
    if !error.details.isEmpty { headers.append("grpc-status-details-bin", Base64.encode(error.details)) }
    return headers
  }
}

extension HeaderBlock {
  func with(_ name: String, _ value: String) -> HeaderBlock {
    var copy = self
    copy.append(name, value)
    return copy
  }
}
