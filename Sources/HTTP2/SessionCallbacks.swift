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
    nghttp2_session_callbacks_set_on_header_callback(callbacks, onHeader)
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

private func session(_ context: UnsafeMutableRawPointer?) -> Session? {
  context.map { Unmanaged<Session>.fromOpaque($0).takeUnretainedValue() }
}

extension HTTP2Stream {
  /// Calls `body` with the stream that nghttp2 knows by the id; the session's list keeps it alive meanwhile. Called for each
  /// header, so without reference counting.
  fileprivate static func with(_ id: Int32, of pointer: OpaquePointer?, _ body: (HTTP2Stream) -> Void) {
    guard let context = nghttp2_session_get_stream_user_data(pointer, id) else { return }
    Unmanaged<HTTP2Stream>.fromOpaque(context)._withUnsafeGuaranteedRef { body($0) }
  }
}

private func onBeginHeaders(
  _: OpaquePointer?, _ frame: UnsafePointer<nghttp2_frame>?, _ context: UnsafeMutableRawPointer?
) -> Int32 {
  guard let frame, let session = session(context) else { return 0 }
  let isRequest = frame.pointee.headers.cat == NGHTTP2_HCAT_REQUEST
  if frame.pointee.hd.type == UInt8(NGHTTP2_HEADERS.rawValue), isRequest {
    session.streamOpened(frame.pointee.hd.stream_id)
  }
  return 0
}

private func onHeader(
  _ pointer: OpaquePointer?, _ frame: UnsafePointer<nghttp2_frame>?, _ name: UnsafePointer<UInt8>?, _ nameLength: Int,
  _ value: UnsafePointer<UInt8>?, _ valueLength: Int, _ flags: UInt8, _ context: UnsafeMutableRawPointer?
) -> Int32 {
  guard let frame else { return 0 }
  HTTP2Stream.with(frame.pointee.hd.stream_id, of: pointer) { stream in
    // A list that grows past our limit is refused, but not stored: the decoder must still run to keep the HPACK state.
    let wasTooLarge = stream.isHeaderListTooLarge
    stream.headerListSize += nameLength + valueLength + 32
    guard !stream.isHeaderListTooLarge else { return wasTooLarge ? () : stream.headerListBecameTooLarge() }
    stream.delegate?.streamReceivedHeader(
      stream, name: UnsafeRawBufferPointer(start: name, count: nameLength),
      value: UnsafeRawBufferPointer(start: value, count: valueLength))
  }
  return 0
}

private func onFrameReceived(
  _: OpaquePointer?, _ frame: UnsafePointer<nghttp2_frame>?, _ context: UnsafeMutableRawPointer?
) -> Int32 {
  guard let frame, let session = session(context) else { return 0 }
  let header = frame.pointee.hd
  let isEnd = header.flags & UInt8(NGHTTP2_FLAG_END_STREAM.rawValue) != 0
  switch UInt32(header.type) {
  case NGHTTP2_DATA.rawValue:
    guard isEnd, let stream = session.stream(header.stream_id) else { return 0 }
    stream.remoteEnded = true
    stream.delegate?.streamReceivedEnd(stream)
  case NGHTTP2_HEADERS.rawValue:
    guard let stream = session.stream(header.stream_id) else { return 0 }
    if isEnd { stream.remoteEnded = true }
    stream.delegate?.streamReceivedHeadersEnd(stream, endStream: isEnd)
  case NGHTTP2_SETTINGS.rawValue:
    session.settingsReceived()
  case NGHTTP2_GOAWAY.rawValue:
    session.goAwayReceived()
  case NGHTTP2_PING.rawValue:
    guard header.flags & UInt8(NGHTTP2_FLAG_ACK.rawValue) != 0 else { return 0 }
    var payload = frame.pointee.ping.opaque_data
    withUnsafeBytes(of: &payload) { session.pingAcknowledged($0) }
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
    session(context)?.answered()
    guard frame.pointee.hd.flags & UInt8(NGHTTP2_FLAG_END_STREAM.rawValue) != 0 else { return 0 }
    HTTP2Stream.with(frame.pointee.hd.stream_id, of: pointer) { stream in
      // A server that answers before the request has ended tells the client to stop sending (RFC 9113, section 8.1).
      if !stream.remoteEnded, session(context)?.isServer == true { stream.reset(.noError) }
    }
  case NGHTTP2_RST_STREAM.rawValue:
    session(context)?.resetSent(HTTP2ErrorCode(rawValue: frame.pointee.rst_stream.error_code))
  case NGHTTP2_GOAWAY.rawValue:
    session(context)?.goAwaySent()
  default:
    break
  }
  return 0
}

/// Headers or trailers that nghttp2 refuses (a list over 64 KiB) would leave the peer waiting for ever.
private func onFrameNotSent(
  _: OpaquePointer?, _ frame: UnsafePointer<nghttp2_frame>?, _: Int32, _ context: UnsafeMutableRawPointer?
) -> Int32 {
  guard let frame, UInt32(frame.pointee.hd.type) == NGHTTP2_HEADERS.rawValue else { return 0 }
  guard let session = session(context), session.isServer else { return 0 }
  session.stream(frame.pointee.hd.stream_id)?.reset(.internalError)
  return 0
}

private func onDataChunk(
  _: OpaquePointer?, _ flags: UInt8, _ id: Int32, _ data: UnsafePointer<UInt8>?, _ count: Int,
  _ context: UnsafeMutableRawPointer?
) -> Int32 {
  session(context)?.dataReceived(id, UnsafeRawBufferPointer(start: data, count: count))
  return 0
}

private func onStreamClose(
  _: OpaquePointer?, _ id: Int32, _ code: UInt32, _ context: UnsafeMutableRawPointer?
) -> Int32 {
  session(context)?.streamClosed(id, HTTP2ErrorCode(rawValue: code))
  return 0
}

private func sendData(
  _: OpaquePointer?, _: UnsafeMutablePointer<nghttp2_frame>?, _ head: UnsafePointer<UInt8>?, _ count: Int,
  _ source: UnsafeMutablePointer<nghttp2_data_source>?, _ context: UnsafeMutableRawPointer?
) -> Int32 {
  guard let head, let stream = source?.pointee.ptr, let session = session(context) else {
    return NGHTTP2_ERR_CALLBACK_FAILURE.rawValue
  }
  let taken = session.sendData(
    Unmanaged<HTTP2Stream>.fromOpaque(stream).takeUnretainedValue(), head: head, count: count)
  return taken ? 0 : NGHTTP2_ERR_WOULDBLOCK.rawValue
}
