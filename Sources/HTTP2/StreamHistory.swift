/// What a client may not send any more, as its own frames say. nghttp2 forgets streams that are over, and then ignores whatever
/// comes on them: so it must for those that the server has reset, where the client's frames were on their way. But nothing follows
/// what the client itself has ended or reset, and numbers that it left out are used up (RFC 9113, sections 5.1 and 5.1.1).
///
/// It keeps the last stream of those that share a place, and so costs the same whatever a client does; a mistake that comes later
/// than that is ignored.
struct StreamHistory {
  /// The highest number that a HEADERS frame had.
  private var highest: UInt32 = 0
  /// The numbers that were left out when that was done last.
  private var leftOut: Range<UInt32> = 0..<0
  /// Streams that the client has ended or reset, each in its place.
  private var over = InlineArray<16, UInt32>(repeating: 0)

  /// A HEADERS frame, which begins a stream or is its trailers.
  /// - Returns: What the connection must end with, if it must.
  mutating func headers(_ id: UInt32, endsStream: Bool) -> HTTP2ErrorCode? {
    // An even number, or none, is nghttp2's to complain about.
    guard id & 1 == 1 else { return nil }
    if id > highest {
      if id > highest + 2 { leftOut = highest + 1..<id }
      highest = id
    } else if leftOut.contains(id) {
      return .protocolError
    } else if isOver(id) {
      return .streamClosed
    }
    if endsStream { end(id) }
    return nil
  }

  /// A DATA frame.
  /// - Returns: What the connection must end with, if it must.
  mutating func data(_ id: UInt32, endsStream: Bool) -> HTTP2ErrorCode? {
    guard !isOver(id) else { return .streamClosed }
    if endsStream { end(id) }
    return nil
  }

  /// The client has ended its side, or reset the stream.
  mutating func end(_ id: UInt32) {
    over[place(id)] = id
  }

  private func isOver(_ id: UInt32) -> Bool { id > 0 && over[place(id)] == id }

  private func place(_ id: UInt32) -> Int { Int(id >> 1) % over.count }
}
