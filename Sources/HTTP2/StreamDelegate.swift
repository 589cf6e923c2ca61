/// Receives what happens on one stream, on the loop of its connection, in the order of the diagram.
///
///     headers ► (data | headers)* ► closed
///
/// `endStream` is true with the last of them that the peer sends. After `closed` nothing comes any more.
package protocol StreamDelegate: AnyObject {
  /// A header block is complete: the request's, an informational or final response's, or the trailers. Of one that is over the
  /// limit (`HTTP2Stream.isHeaderListTooLarge`) there are only the fields before that. Valid during the call.
  func streamReceivedHeaders(_ stream: HTTP2Stream, _ headers: ReceivedHeaders, endStream: Bool)
  /// Part of the body; the pointer is valid during the call. Give the credit back with `HTTP2Stream.consume(_:)`.
  func streamReceivedData(_ stream: HTTP2Stream, _ bytes: UnsafeRawBufferPointer)
  /// The peer ended its side with a DATA frame.
  func streamReceivedEnd(_ stream: HTTP2Stream)
  /// The stream is over, by both sides' end, by RST_STREAM, or with its connection (`connectionLost`).
  func streamClosed(_ stream: HTTP2Stream, _ code: HTTP2ErrorCode, connectionLost: Bool)
}
