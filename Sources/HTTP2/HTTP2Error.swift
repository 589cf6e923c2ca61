import CNghttp2

/// A failure of a whole session, or of one request to it, as nghttp2 reports it.
package struct HTTP2Error: Error, Hashable, CustomStringConvertible {
  /// One of nghttp2's negative library codes.
  package let code: Int32

  package init(code: Int32) {
    self.code = code
  }

  /// The connection is gone, or was never there.
  package static let connectionClosed = HTTP2Error(code: NGHTTP2_ERR_EOF.rawValue)
  /// The peer refuses further streams on this connection (GOAWAY), or its stream ids are used up.
  package static let noMoreStreams = HTTP2Error(code: NGHTTP2_ERR_START_STREAM_NOT_ALLOWED.rawValue)
  /// The peer did something so often that it counts as an attack.
  package static let flooded = HTTP2Error(code: NGHTTP2_ERR_FLOODED.rawValue)
  /// The peer sent a frame on a stream that is over.
  static let badPreface = HTTP2Error(code: NGHTTP2_ERR_BAD_CLIENT_MAGIC.rawValue)
  static let tooManyContinuations = HTTP2Error(code: NGHTTP2_ERR_TOO_MANY_CONTINUATIONS.rawValue)
  static let misplacedFrame = HTTP2Error(code: NGHTTP2_ERR_PROTO.rawValue)
  static let noMemory = HTTP2Error(code: NGHTTP2_ERR_NOMEM.rawValue)

  package var description: String { "HTTP/2: \(String(cString: nghttp2_strerror(code)))" }
}

/// Turns a return code of nghttp2 into an error.
@discardableResult
func check<Code: BinaryInteger>(_ code: Code) throws(HTTP2Error) -> Code {
  guard code < 0 else { return code }
  throw HTTP2Error(code: Int32(truncatingIfNeeded: code))
}

/// Error codes of RST_STREAM and GOAWAY (RFC 9113, section 7); unknown ones survive.
package struct HTTP2ErrorCode: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
  package let rawValue: UInt32

  package init(rawValue: UInt32) {
    self.rawValue = rawValue
  }

  package static let noError = HTTP2ErrorCode(rawValue: 0)
  package static let protocolError = HTTP2ErrorCode(rawValue: 1)
  package static let internalError = HTTP2ErrorCode(rawValue: 2)
  package static let flowControlError = HTTP2ErrorCode(rawValue: 3)
  package static let streamClosed = HTTP2ErrorCode(rawValue: 5)
  package static let frameSizeError = HTTP2ErrorCode(rawValue: 6)
  package static let refusedStream = HTTP2ErrorCode(rawValue: 7)
  package static let cancel = HTTP2ErrorCode(rawValue: 8)
  package static let compressionError = HTTP2ErrorCode(rawValue: 9)
  package static let enhanceYourCalm = HTTP2ErrorCode(rawValue: 11)
  package static let inadequateSecurity = HTTP2ErrorCode(rawValue: 12)

  package var description: String { String(cString: nghttp2_http2_strerror(rawValue)) }
}
