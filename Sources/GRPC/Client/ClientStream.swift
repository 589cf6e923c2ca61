import EventLoop
import HTTP2

/// One call on the client: headers and messages out, messages and the status in. Confined to its loop.
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
  private var failure: RPCError?
  private(set) var head = ResponseHead()
  private var deadlineTimer: Timer?

  init(on loop: EventLoop, configuration: ClientConfiguration) {
    self.loop = loop
    inbound = InboundMessages(
      on: loop, codec: MessageCodec(), limit: configuration.maxMessageSize, highWater: configuration.inboundHighWater)
  }

  /// - Throws: `HTTP2Error` when the connection takes no more streams.
  func begin(
    _ session: Session, path: String, authority: String, options: CallOptions, scheme: String,
    userAgent: String
  ) throws(HTTP2Error) {
    var headers: HeaderBlock = [
      ":method": "POST", ":scheme": scheme, ":path": path, ":authority": authority, "te": "trailers",
      "content-type": "application/grpc", "user-agent": userAgent,
    ]
    if let timeout = options.timeout {
      headers.append("grpc-timeout", Timeout.format(timeout))
      let timer = Timer(on: loop) { [unowned self] in abandon(.deadlineExceeded) }
      timer.schedule(after: timeout)
      deadlineTimer = timer
    }
    options.metadata.write(to: &headers)
    stream = try session.request(headers, endStream: false, delegate: self)
  }

  // MARK: Sending

  /// - Throws: `RPCError` when the call is over.
  func send<Message>(_ message: Message, _ coding: MessageCoding<Message>) async throws {
    guard state != .ended, let stream else { throw failure ?? .cancelled }
    try stream.write { try coding.frame(message, into: &$0) }
    guard stream.isFull else { return }
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
    do { return try await inbound.next(from: stream) } catch is CancellationError {
      abandon(.cancelled)
      throw RPCError.cancelled
    }
  }

  func streamReceivedHeader(_ stream: HTTP2Stream, name: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer) {
    head.take(name: name, value: value)
  }

  func streamReceivedHeadersEnd(_ stream: HTTP2Stream, endStream: Bool) {
    if stream.isHeaderListTooLarge {
      return abandon(RPCError(.resourceExhausted, "the response's metadata is over the limit"))
    }
    if state == .waiting, !(100..<200).contains(head.httpStatus) {
      if let refusal = head.refusal, head.status == nil { return abandon(refusal) }
      state = .receiving
    }
    if endStream { end(head.error) }
  }

  func streamReceivedData(_ stream: HTTP2Stream, _ bytes: UnsafeRawBufferPointer) {
    do { try inbound.receive(bytes, of: stream) } catch { abandon(error) }
  }

  func streamReceivedEnd(_ stream: HTTP2Stream) {
    end(head.error)
  }

  func streamClosed(_ stream: HTTP2Stream, _ code: HTTP2ErrorCode, connectionLost: Bool) {
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
