import CNghttp2

/// Owns the one `nghttp2_session_callbacks` that all sessions share: thunks that recover the objects and call them.
final class SessionCallbacks: @unchecked Sendable {
  static let shared = SessionCallbacks()

  let pointer: OpaquePointer?

  private init() {
    var callbacks: OpaquePointer?
    nghttp2_session_callbacks_new(&callbacks)
    pointer = callbacks
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, onBeginHeaders)
    nghttp2_session_callbacks_set_on_header_callback2(callbacks, onHeader)
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, onFrameReceived)
    nghttp2_session_callbacks_set_before_frame_send_callback(callbacks, beforeFrameSend)
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, onFrameSent)
    nghttp2_session_callbacks_set_on_frame_not_send_callback(callbacks, onFrameNotSent)
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, onDataChunk)
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, onStreamClose)
    nghttp2_session_callbacks_set_send_data_callback(callbacks, sendData)
  }

  deinit {
    nghttp2_session_callbacks_del(pointer)
  }
}

/// Calls `body` with the session that owns the callbacks' context. Without reference counting, which would be half of what most
/// callbacks do: nghttp2 calls back only from within the session's own methods.
private func with<Result>(_ context: UnsafeMutableRawPointer?, _ body: (Session) -> Result) -> Result? {
  guard let context else { return nil }
  return Unmanaged<Session>.fromOpaque(context)._withUnsafeGuaranteedRef { body($0) }
}

extension HTTP2Stream {
  /// Calls `body` with the stream that nghttp2 knows by the id. Without reference counting: the session's list keeps the stream
  /// alive until nghttp2 closes it, which it does not do within a callback.
  fileprivate static func with(_ id: Int32, of pointer: OpaquePointer?, _ body: (HTTP2Stream) -> Void) {
    guard let context = nghttp2_session_get_stream_user_data(pointer, id) else { return }
    Unmanaged<HTTP2Stream>.fromOpaque(context)._withUnsafeGuaranteedRef { body($0) }
  }
}

private func onBeginHeaders(
  _ pointer: OpaquePointer?, _ frame: UnsafePointer<nghttp2_frame>?, _ context: UnsafeMutableRawPointer?
) -> Int32 {
  guard let frame, frame.pointee.hd.type == UInt8(NGHTTP2_HEADERS.rawValue) else { return 0 }
  let id = frame.pointee.hd.stream_id
  let isRequest = frame.pointee.headers.cat == NGHTTP2_HCAT_REQUEST
  with(context) { session in
    var size = 0
    if isRequest {
      session.streamOpened(id)
    } else {
      HTTP2Stream.with(id, of: pointer) { size = $0.headerListSize }
    }
    session.headers.begin(size: size)
  }
  return 0
}

private func onHeader(
  _: OpaquePointer?, _: UnsafePointer<nghttp2_frame>?, _ name: OpaquePointer?, _ value: OpaquePointer?, _: UInt8,
  _ context: UnsafeMutableRawPointer?
) -> Int32 {
  guard let name, let value else { return 0 }
  with(context) { $0.headerReceived(name, value) }
  return 0
}

private func onFrameReceived(
  _ pointer: OpaquePointer?, _ frame: UnsafePointer<nghttp2_frame>?, _ context: UnsafeMutableRawPointer?
) -> Int32 {
  guard let frame else { return 0 }
  let header = frame.pointee.hd
  let isEnd = header.flags & UInt8(NGHTTP2_FLAG_END_STREAM.rawValue) != 0
  switch UInt32(header.type) {
  case NGHTTP2_DATA.rawValue:
    guard isEnd else { return 0 }
    HTTP2Stream.with(header.stream_id, of: pointer) { stream in
      stream.remoteEnded = true
      stream.delegate?.streamReceivedEnd(stream)
    }
  case NGHTTP2_HEADERS.rawValue:
    HTTP2Stream.with(header.stream_id, of: pointer) { stream in
      if isEnd { stream.remoteEnded = true }
      with(context) { $0.headersReceived(stream, endStream: isEnd) }
    }
  case NGHTTP2_SETTINGS.rawValue:
    with(context) { $0.settingsReceived() }
  case NGHTTP2_GOAWAY.rawValue:
    with(context) { $0.goAwayReceived() }
  case NGHTTP2_PING.rawValue:
    guard header.flags & UInt8(NGHTTP2_FLAG_ACK.rawValue) != 0 else { return 0 }
    var payload = frame.pointee.ping.opaque_data
    _ = withUnsafeBytes(of: &payload) { payload in with(context) { $0.pingAcknowledged(payload) } }
  default:
    break
  }
  return 0
}

/// "Sent" comes too late to tell what the peer cannot have seen: with the next frame.
private func beforeFrameSend(
  _ pointer: OpaquePointer?, _ frame: UnsafePointer<nghttp2_frame>?, _: UnsafeMutableRawPointer?
) -> Int32 {
  guard let frame, frame.pointee.hd.type == UInt8(NGHTTP2_HEADERS.rawValue) else { return 0 }
  guard frame.pointee.headers.cat == NGHTTP2_HCAT_REQUEST else { return 0 }
  HTTP2Stream.with(frame.pointee.hd.stream_id, of: pointer) { $0.sendsHeaders() }
  return 0
}

private func onFrameSent(
  _ pointer: OpaquePointer?, _ frame: UnsafePointer<nghttp2_frame>?, _ context: UnsafeMutableRawPointer?
) -> Int32 {
  guard let frame else { return 0 }
  switch UInt32(frame.pointee.hd.type) {
  case NGHTTP2_HEADERS.rawValue, NGHTTP2_DATA.rawValue:
    let isServer = with(context) { session in
      session.answered()
      return session.isServer
    }
    guard isServer == true, frame.pointee.hd.flags & UInt8(NGHTTP2_FLAG_END_STREAM.rawValue) != 0 else { return 0 }
    HTTP2Stream.with(frame.pointee.hd.stream_id, of: pointer) { stream in
      // A server that answers before the request has ended tells the client to stop sending (RFC 9113, section 8.1).
      if !stream.remoteEnded { stream.reset(.noError) }
    }
  case NGHTTP2_RST_STREAM.rawValue:
    let code = HTTP2ErrorCode(rawValue: frame.pointee.rst_stream.error_code)
    with(context) { $0.resetSent(code) }
  case NGHTTP2_GOAWAY.rawValue:
    let code = HTTP2ErrorCode(rawValue: frame.pointee.goaway.error_code)
    with(context) { $0.goAwaySent(code) }
  default:
    break
  }
  return 0
}

/// Headers or trailers that nghttp2 refuses (a list over 64 KiB) would leave the peer waiting for ever.
private func onFrameNotSent(
  _ pointer: OpaquePointer?, _ frame: UnsafePointer<nghttp2_frame>?, _: Int32, _ context: UnsafeMutableRawPointer?
) -> Int32 {
  guard let frame, UInt32(frame.pointee.hd.type) == NGHTTP2_HEADERS.rawValue else { return 0 }
  guard with(context, { $0.isServer }) == true else { return 0 }
  HTTP2Stream.with(frame.pointee.hd.stream_id, of: pointer) { $0.reset(.internalError) }
  return 0
}

private func onDataChunk(
  _ pointer: OpaquePointer?, _: UInt8, _ id: Int32, _ data: UnsafePointer<UInt8>?, _ count: Int,
  _: UnsafeMutableRawPointer?
) -> Int32 {
  // The bytes count for the connection at once; the stream's credit is given back when its reader has taken them.
  nghttp2_session_consume_connection(pointer, count)
  HTTP2Stream.with(id, of: pointer) { stream in
    stream.delegate?.streamReceivedData(stream, UnsafeRawBufferPointer(start: data, count: count))
  }
  return 0
}

private func onStreamClose(
  _: OpaquePointer?, _ id: Int32, _ code: UInt32, _ context: UnsafeMutableRawPointer?
) -> Int32 {
  with(context) { $0.streamClosed(id, HTTP2ErrorCode(rawValue: code)) }
  return 0
}

private func sendData(
  _: OpaquePointer?, _: UnsafeMutablePointer<nghttp2_frame>?, _ head: UnsafePointer<UInt8>?, _ count: Int,
  _ source: UnsafeMutablePointer<nghttp2_data_source>?, _ context: UnsafeMutableRawPointer?
) -> Int32 {
  guard let head, let stream = source?.pointee.ptr else { return NGHTTP2_ERR_CALLBACK_FAILURE.rawValue }
  let taken = with(context) { session in
    Unmanaged<HTTP2Stream>.fromOpaque(stream)._withUnsafeGuaranteedRef {
      session.sendData($0, head: head, count: count)
    }
  }
  return taken == true ? 0 : NGHTTP2_ERR_WOULDBLOCK.rawValue
}
