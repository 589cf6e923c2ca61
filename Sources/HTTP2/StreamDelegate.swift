/// Receives what happens on one stream, on the loop of its connection, in the order of the diagram.
///
///     header* ► headersEnded ► (data | header* headersEnded)* ► closed
///
/// `endStream` is true with the last of them that the peer sends. After `closed` nothing comes any more.
package protocol StreamDelegate: AnyObject {
  /// One header field; the pointers are valid during the call.
  func streamReceivedHeader(_ stream: HTTP2Stream, name: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer)
  /// A header block is complete: the request's, an informational or final response's, or the trailers.
  func streamReceivedHeadersEnd(_ stream: HTTP2Stream, endStream: Bool)
  /// Part of the body; the pointer is valid during the call. Give the credit back with `HTTP2Stream.consume(_:)`.
  func streamReceivedData(_ stream: HTTP2Stream, _ bytes: UnsafeRawBufferPointer)
  /// The peer ended its side with a DATA frame.
  func streamReceivedEnd(_ stream: HTTP2Stream)
  /// The stream is over, by both sides' end, by RST_STREAM, or with its connection (`connectionLost`).
  func streamClosed(_ stream: HTTP2Stream, _ code: HTTP2ErrorCode, connectionLost: Bool)
}
