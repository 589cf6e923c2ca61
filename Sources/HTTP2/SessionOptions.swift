import CNghttp2

/// Owns an `nghttp2_option`.
final class SessionOptions {
  let pointer: OpaquePointer

  /// nghttp2's own limit of resets, 1,000 and then 33 a second, would cut off an honest client that cancels a batch of calls.
  /// `FloodGuard` has one that can be set, and that counts the resets that we are provoked to send as well.
  private static let unlimited = UInt64(UInt32.max)

  /// - Parameter floods: Of a server.
  init(_ floods: FloodLimits?) throws(HTTP2Error) {
    var option: OpaquePointer?
    try check(nghttp2_option_new(&option))
    guard let option else { throw .noMemory }
    pointer = option
    // Credit goes back to the peer when a reader has taken the bytes, not when they arrive.
    nghttp2_option_set_no_auto_window_update(option, 1)
    nghttp2_option_set_stream_reset_rate_limit(option, Self.unlimited, Self.unlimited)
    // Closed streams are only good for a priority tree, which nobody uses any more (RFC 9113, section 5.3.2).
    nghttp2_option_set_no_closed_streams(option, 1)
    if let floods { nghttp2_option_set_max_continuations(option, floods.continuations) }
  }

  deinit {
    nghttp2_option_del(pointer)
  }
}
