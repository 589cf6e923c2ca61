/// What one side of a connection allows its peer. Sizes are in bytes.
package struct HTTP2Configuration: Sendable {
  /// SETTINGS_MAX_CONCURRENT_STREAMS: how many streams the peer may have open at once.
  package var maxConcurrentStreams: UInt32 = 1000
  /// SETTINGS_INITIAL_WINDOW_SIZE: how much of one stream the peer may send ahead of what has been taken.
  package var streamWindow: Int32 = 256 << 10
  /// How much of all streams together the peer may send ahead.
  package var connectionWindow: Int32 = 1 << 20
  /// SETTINGS_MAX_HEADER_LIST_SIZE, counted as RFC 9113, section 6.5.2 says (names, values and 32 a field).
  package var maxHeaderListSize: Int = 16 << 10
  /// SETTINGS_MAX_FRAME_SIZE: 16,384 to 16,777,215.
  package var maxFrameSize: UInt32 = 16 << 10
  /// A writer of a stream waits while more than this is queued for the peer.
  package var outputHighWater: Int = 64 << 10
  /// While more than this is queued for the peer on all streams together, writers wait from `crowdedHighWater` on.
  package var connectionOutputHighWater: Int = 4 << 20
  package var crowdedHighWater: Int = 4 << 10
  /// What a server suffers from one client; nil for no limit (a client's side).
  package var floods: FloodLimits?

  package init() {}
}
