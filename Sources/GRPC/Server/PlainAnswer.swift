import HTTP2

/// The answer to a request that is not gRPC's: an HTTP status and a line for a person. Confined to its loop.
///
///     reading ──request's end, or a long body──► answered
///
/// It comes when the request has ended, as clients of HTTP expect, and what they do wrong until then is found.
final class PlainAnswer: StreamDelegate, @unchecked Sendable {
  /// What is wrong with the request.
  enum Reason {
    /// Another method than POST; HEAD gets no body.
    case method(isHead: Bool)
    case contentType
  }

  /// A client that sends more than this is told before it has sent all.
  private static let longBody = 64 << 10

  private let reason: Reason
  private let connection: ServerConnection
  private var received = 0

  init(_ reason: Reason, of connection: ServerConnection) {
    self.reason = reason
    self.connection = connection
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
