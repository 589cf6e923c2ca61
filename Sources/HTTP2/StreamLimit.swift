import CNghttp2

/// How many streams a client may have open, which nghttp2 is not told: for one more than it has announced, it ends the connection of a
/// client that has acknowledged it. But one too many is an error of that stream alone (RFC 9113, section 5.1.2), and clients do
/// miscount: a stream counts until its RST_STREAM has arrived. So the session refuses it (`Session.streamOpened`), nghttp2 is told
/// more, and what it says to the client is corrected here.
enum StreamLimit {
  /// How many more nghttp2 takes. Streams that are refused count there until their RST_STREAM has gone out; one read of a socket
  /// brings fewer than these.
  private static let reserve: UInt32 = 8192

  private static let frameHead = 9
  private static let entry = 6

  static func withReserve(_ limit: UInt32) -> UInt32 { min(limit, .max - reserve) + reserve }

  /// Writes the limit into a server's first frame, its SETTINGS.
  static func announce(_ limit: UInt32, in bytes: inout [UInt8]) {
    guard bytes.count >= frameHead, UInt32(bytes[3]) == NGHTTP2_SETTINGS.rawValue else { return }
    let end = min(bytes.count, frameHead + (Int(bytes[0]) << 16 | Int(bytes[1]) << 8 | Int(bytes[2])))
    for start in stride(from: frameHead, through: end - entry, by: entry) {
      let name = UInt32(bytes[start]) << 8 | UInt32(bytes[start + 1])
      guard name == NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS.rawValue else { continue }
      for place in 0..<4 { bytes[start + 2 + place] = UInt8(truncatingIfNeeded: limit >> (24 - 8 * UInt32(place))) }
    }
  }
}
