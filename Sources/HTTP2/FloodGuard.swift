/// Looks at the frames of a client as they arrive, before nghttp2 sees them: it answers some and drops others without a word.
///
///     preface ──24 bytes──► head ──9 bytes──► payload ──► head
struct FloodGuard {
  /// Why the connection must end.
  enum Complaint: Equatable {
    case flood(Flood)
    case error(HTTP2ErrorCode)
  }

  private enum Kind {
    static let data: UInt8 = 0
    static let headers: UInt8 = 1
    static let reset: UInt8 = 3
    static let settings: UInt8 = 4
    static let ping: UInt8 = 6
    static let continuation: UInt8 = 9
  }

  private static let preface = 24
  /// Length, type and flags, and with the stream's id behind them.
  private static let headStart = 5
  private static let headLength = 9
  private static let acknowledged: UInt8 = 1
  private static let endStream: UInt8 = 1
  private static let padded: UInt8 = 8
  /// The length of a padded DATA frame that may be nothing but padding.
  private static let mostPadding = 256
  private static let endHeaders: UInt8 = 4
  /// What a client may say about flow control, settings and priorities for each frame with content, in either direction.
  private static let emptyForEach = 4.0

  private var pings: Allowance
  private var settings: Allowance
  private var resets: Allowance
  private var emptyFrames: Allowance
  /// Whether an answer's frame went out since the last PING.
  private var isPingFree = false
  private var history = StreamHistory()

  private var skipped = preface
  private var head: UInt64 = 0
  private var streamID: UInt32 = 0
  private var headCount = 0
  private var isHeaderBlockOpen = false
  /// How many frames have begun.
  private(set) var frames = 0

  init(_ limits: FloodLimits) {
    pings = Allowance(perSecond: limits.pings)
    settings = Allowance(perSecond: limits.settings)
    resets = Allowance(perSecond: limits.resets)
    emptyFrames = Allowance(perSecond: limits.emptyFrames)
  }

  /// Whether the bytes so far end within a frame, or between the frames of one header block.
  var isWithinFrame: Bool { frames > 0 && (skipped > 0 || isHeaderBlockOpen) || headCount > 0 }

  /// - Returns: What has become too much with these bytes, or must not be.
  mutating func receive(_ bytes: UnsafeRawBufferPointer) -> Complaint? {
    var index = 0
    while index < bytes.count {
      if skipped > 0 {
        let count = min(skipped, bytes.count - index)
        skipped -= count
        index += count
        continue
      }
      if headCount == 0, bytes.count - index >= Self.headLength {
        // The usual case: the head is there at once.
        let start = UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: index, as: UInt32.self))
        head = UInt64(start) << 8 | UInt64(bytes[index + 4])
        streamID = UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: index + Self.headStart, as: UInt32.self))
        index += Self.headLength
      } else {
        if headCount < Self.headStart {
          head = head << 8 | UInt64(bytes[index])
        } else {
          streamID = streamID << 8 | UInt32(bytes[index])
        }
        headCount += 1
        index += 1
        guard headCount == Self.headLength else { continue }
      }
      let complaint = frame(
        length: Int(head >> 16), type: UInt8(truncatingIfNeeded: head >> 8), flags: UInt8(truncatingIfNeeded: head),
        stream: streamID & 0x7fff_ffff)
      head = 0
      streamID = 0
      headCount = 0
      if let complaint { return complaint }
    }
    return nil
  }

  private mutating func frame(length: Int, type: UInt8, flags: UInt8, stream: UInt32) -> Complaint? {
    skipped = length
    frames &+= 1
    // What comes between the frames of one header block is nghttp2's to complain about.
    if !isHeaderBlockOpen, let code = misplaced(type, flags, stream) { return .error(code) }
    return count(length: length, type: type, flags: flags).map { .flood($0) }
  }

  /// - Returns: What the connection ends with when the stream can have no such frame any more.
  private mutating func misplaced(_ type: UInt8, _ flags: UInt8, _ stream: UInt32) -> HTTP2ErrorCode? {
    let endsStream = flags & Self.endStream != 0
    switch type {
    case Kind.data: return history.data(stream, endsStream: endsStream)
    case Kind.headers: return history.headers(stream, endsStream: endsStream)
    case Kind.reset: history.end(stream)
    default: break
    }
    return nil
  }

  private mutating func count(length: Int, type: UInt8, flags: UInt8) -> Flood? {
    switch type {
    case Kind.data where length > (flags & Self.padded == 0 ? 0 : Self.mostPadding) || flags & Self.endStream != 0:
      emptyFrames.add(Self.emptyForEach)
    case Kind.headers:
      isHeaderBlockOpen = flags & Self.endHeaders == 0
      emptyFrames.add(Self.emptyForEach)
    case Kind.continuation where length > 0 || flags & Self.endHeaders != 0:
      if flags & Self.endHeaders != 0 { isHeaderBlockOpen = false }
    case Kind.reset:
      if !resets.take() { return .resets }
    case Kind.settings where flags & Self.acknowledged == 0:
      if !settings.take() { return .settings }
    case Kind.ping where flags & Self.acknowledged == 0:
      defer { isPingFree = false }
      if !isPingFree, !pings.take() { return .pings }
    default:
      if !emptyFrames.take() { return .emptyFrames }
    }
    return nil
  }

  /// A frame of an answer went out.
  mutating func answered() {
    isPingFree = true
    emptyFrames.add(Self.emptyForEach)
  }

  /// We reset a stream because the client broke the protocol, or cannot be served.
  /// - Returns: Whether that has become too much.
  mutating func provokedReset() -> Flood? {
    resets.take() ? nil : .resets
  }

  /// - Parameter seconds: Since the last time.
  mutating func refill(seconds: Double) {
    pings.refill(seconds: seconds)
    settings.refill(seconds: seconds)
    resets.refill(seconds: seconds)
    emptyFrames.refill(seconds: seconds)
  }
}
