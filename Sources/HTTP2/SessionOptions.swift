import CNghttp2

/// Owns an `nghttp2_option`.
final class SessionOptions {
  let pointer: OpaquePointer

  /// How many streams a peer may reset at once, and then each second, before it counts as an attack (CVE-2023-44487).
  /// nghttp2's own 1,000 and 33 would cut off an honest client that cancels a batch of calls.
  private static let resetBurst: UInt64 = 10_000
  private static let resetsPerSecond: UInt64 = 1_000

  init() throws(HTTP2Error) {
    var option: OpaquePointer?
    try check(nghttp2_option_new(&option))
    guard let option else { throw .noMemory }
    pointer = option
    // Credit goes back to the peer when a reader has taken the bytes, not when they arrive.
    nghttp2_option_set_no_auto_window_update(option, 1)
    nghttp2_option_set_stream_reset_rate_limit(option, Self.resetBurst, Self.resetsPerSecond)
    // Closed streams are only good for a priority tree, which nobody uses any more (RFC 9113, section 5.3.2).
    nghttp2_option_set_no_closed_streams(option, 1)
  }

  deinit {
    nghttp2_option_del(pointer)
  }
}
