import CNghttp2

/// Owns an `nghttp2_option`.
final class SessionOptions {
  let pointer: OpaquePointer

  init() throws(HTTP2Error) {
    var option: OpaquePointer?
    try check(nghttp2_option_new(&option))
    guard let option else { throw .noMemory }
    pointer = option
    // Credit goes back to the peer when a reader has taken the bytes, not when they arrive.
    nghttp2_option_set_no_auto_window_update(option, 1)
  }

  deinit {
    nghttp2_option_del(pointer)
  }
}
