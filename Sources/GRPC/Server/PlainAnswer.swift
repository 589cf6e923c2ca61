import EventLoop
import HTTP2

/// The answer to a request that is not gRPC's: an HTTP status and a line for a person. Confined to its loop.
///
///     reading ──request's end, a long body, or some time──► answered
///
/// It comes when the request has ended, as clients of HTTP expect, and what they do wrong until then is found. But a client that waits
/// for the answer before it ends its request is told as well.
final class PlainAnswer: StreamDelegate, @unchecked Sendable {
  /// What is wrong with the request.
  enum Reason {
    /// Another method than POST; HEAD gets no body.
    case method(isHead: Bool)
    case contentType
  }

  /// A client that sends more than this is told before it has sent all.
  private static let longBody = 64 << 10
  private static let patience = Duration.seconds(1)

  private let reason: Reason
  private let connection: ServerConnection
  private var received = 0
  private var timer: Timer?

  init(_ reason: Reason, to stream: HTTP2Stream, of connection: ServerConnection) {
    self.reason = reason
    self.connection = connection
    guard !stream.isRemoteEnded else { return }
    // The stream holds its delegate until it closes, and with it the timer.
    let timer = Timer(on: connection.server.loop) { [unowned self, unowned stream] in answer(stream) }
    timer.schedule(after: Self.patience)
    self.timer = timer
  }

  /// Trailers.
  func streamReceivedHeaders(_ stream: HTTP2Stream, _ headers: ReceivedHeaders, endStream: Bool) {
    if endStream { answer(stream) }
  }

  func streamReceivedData(_ stream: HTTP2Stream, _ bytes: UnsafeRawBufferPointer) {
    received += bytes.count
    guard received <= Self.longBody else { return answer(stream) }
    stream.consume(bytes.count)
  }

  func streamReceivedEnd(_ stream: HTTP2Stream) {
    answer(stream)
  }

  func streamClosed(_ stream: HTTP2Stream, _ code: HTTP2ErrorCode, connectionLost: Bool) {
    timer = nil
    connection.streamClosed()
  }

  /// Without effect after the first time.
  private func answer(_ stream: HTTP2Stream) {
    var headers: HeaderBlock = [:]
    let text: String
    var hasBody = true
    switch reason {
    case .method(let isHead):
      headers = [":status": "405", "allow": "POST"]
      text = "This is a gRPC server: a call is a POST.\n"
      hasBody = !isHead
    case .contentType:
      headers = [":status": "415"]
      text = "This is a gRPC server: the content-type of a call is application/grpc.\n"
    }
    headers.append("content-type", "text/plain")
    headers.append("content-length", "\(text.utf8.count)")
    guard hasBody else { return stream.respondAndEnd(headers) }
    stream.respond(headers)
    stream.write { $0 += text.utf8 }
    stream.finish()
  }
}
