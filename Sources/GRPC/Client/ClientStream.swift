import EventLoop
import HTTP2

/// One attempt of a call on the client: headers and messages out, messages and the status in. Confined to its loop.
///
///     waiting ──headers──► receiving ──trailers──► ended
///        └──trailers-only, reset, deadline, cancel, connection lost──┘
final class ClientStream: StreamDelegate, @unchecked Sendable {
  private enum State {
    case waiting, receiving, ended
  }

  let inbound: InboundMessages
  private let loop: EventLoop
  private var stream: HTTP2Stream?
  private var state = State.waiting
  /// Why the call is over, when that was not OK.
  private(set) var failure: RPCError?
  /// The server has not begun to process it.
  private var isUnprocessed = false
  private(set) var head = ResponseHead()
  private var deadlineTimer: Timer?

  private var isReading = false

  init(_ context: InboundContext) {
    loop = context.loop
    inbound = InboundMessages(context)
  }

  /// - Throws: `HTTP2Error` when the connection takes no more streams.
  func begin(
    _ session: Session, path: String, authority: String, options: CallOptions, scheme: String,
    userAgent: String
  ) throws(HTTP2Error) {
    var headers: HeaderBlock = [
      ":method": "POST", ":scheme": scheme, ":path": path, ":authority": authority, "te": "trailers",
      "content-type": "application/grpc", "user-agent": userAgent, "grpc-accept-encoding": MessageEncoding.accepted,
    ]
    if let encoding = options.compression { headers.append("grpc-encoding", encoding.rawValue) }
    if let timeout = options.timeout {
      headers.append("grpc-timeout", Timeout.format(timeout))
      let timer = Timer(on: loop) { [unowned self] in abandon(.deadlineExceeded) }
      timer.schedule(after: timeout)
      deadlineTimer = timer
    }
    options.metadata.write(to: &headers)
    stream = try session.request(headers, endStream: false, delegate: self)
  }

  var isOpen: Bool { state != .ended }

  /// Something of an answer has come: nobody else can give it.
  var hasResponse: Bool { head.hasHeaders }

  /// How it failed, when another attempt could do better.
  var retryableFailure: RetryState.Failure? {
    guard state == .ended, let failure, !hasResponse else { return nil }
    return isUnprocessed ? .refused : .processed(failure.code, head.pushback)
  }

  // MARK: Sending

  /// Queues messages with their prefixes, which `append` adds to the queue in place.
  /// - Throws: `RPCError` when the call is over, what `append` throws.
  func send(_ append: (inout [UInt8]) throws -> Void) throws {
    guard state != .ended, let stream else { throw failure ?? .cancelled }
    try stream.write { try append(&$0) }
  }

  /// Waits while enough is queued.
  /// - Throws: `RPCError` CANCELLED
  func waitForRoom() async throws {
    guard let stream, stream.isFull else { return }
    do { try await stream.waitForRoom() } catch is CancellationError {
      abandon(.cancelled)
      throw RPCError.cancelled
    } catch {
      // The status that explains the end is what the reader of the responses gets.
    }
  }

  func finish() {
    stream?.finish()
  }

  /// Ends the call; the server's handler is cancelled.
  func abandon(_ error: RPCError) {
    guard state != .ended else { return }
    state = .ended
    failure = error
    deadlineTimer = nil
    inbound.fail(error)
    stream?.reset(.cancel)
  }

  // MARK: Receiving

  func next() async throws -> [UInt8]? {
    guard !isReading else { throw RPCError(.internalError, "two tasks read one call") }
    isReading = true
    defer { isReading = false }
    do { return try await inbound.next(from: stream) } catch is CancellationError {
      abandon(.cancelled)
      throw RPCError.cancelled
    } catch let error as RPCError {
      // A message that cannot be decompressed comes before the call's end.
      abandon(error)
      throw error
    }
  }

  func streamReceivedHeaders(_ stream: HTTP2Stream, _ headers: ReceivedHeaders, endStream: Bool) {
    headers.forEach { head.take(name: $0, value: $1) }
    if stream.isHeaderListTooLarge {
      return abandon(RPCError(.resourceExhausted, "the response's metadata is over the limit"))
    }
    if state == .waiting, (100..<200).contains(head.httpStatus), !endStream {
      head = ResponseHead()
      return
    }
    if state == .waiting {
      if let refusal = head.refusal, head.status == nil { return abandon(refusal) }
      state = .receiving
      inbound.encoding = head.encoding
      if endStream { head.endedWithHeaders() } else { head.headersEnded() }
    }
    if endStream { end(head.error) }
  }

  func streamReceivedData(_ stream: HTTP2Stream, _ bytes: UnsafeRawBufferPointer) {
    do { try inbound.receive(bytes, of: stream) } catch { abandon(error) }
  }

  func streamReceivedEnd(_ stream: HTTP2Stream) {
    end(RPCError(.internalError, "the server ended the call without trailers"))
  }

  func streamClosed(_ stream: HTTP2Stream, _ code: HTTP2ErrorCode, connectionLost: Bool) {
    isUnprocessed = code == .refusedStream && state == .waiting
    end(connectionLost ? .connectionLost(stream.lossReason) : RPCError(reset: code))
    self.stream = nil
  }

  private func end(_ error: RPCError?) {
    guard state != .ended else { return }
    state = .ended
    failure = error
    deadlineTimer = nil
    do { try inbound.end(error) } catch { inbound.fail(error) }
  }
}

extension RPCError {
  /// A stream that the server reset (gRPC over HTTP/2, "Errors").
  fileprivate init(reset code: HTTP2ErrorCode) {
    let status: StatusCode =
      switch code {
      case .refusedStream: .unavailable
      case .cancel: .cancelled
      case .enhanceYourCalm: .resourceExhausted
      case .inadequateSecurity: .permissionDenied
      default: .internalError
      }
    self.init(status, "the server reset the stream: \(code)")
  }
}
