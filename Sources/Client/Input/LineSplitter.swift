#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Cuts pieces of bytes into lines. A line ends with a line feed, or a carriage return and one; the last one may go without.
struct LineSplitter {
  /// A line, without its end. Its bytes are gone when the closure that got it returns.
  struct Line {
    let bytes: UnsafeRawBufferPointer
    /// Longer than the limit, and cut off there.
    let isTooLong: Bool
  }

  /// Bytes of the longest line that is whole.
  let limit: Int
  /// The beginning of a line whose end has not come; at most one byte more than the limit, but for its return.
  private var rest: [UInt8] = []

  init(limit: Int) {
    self.limit = limit
  }

  mutating func feed(_ piece: [UInt8], _ body: (Line) throws -> Void) rethrows {
    try piece.withUnsafeBytes { piece in
      var start = 0
      while start < piece.count {
        let unread = UnsafeRawBufferPointer(rebasing: piece[start...])
        guard let end = unread.firstIndex(ofByte: UInt8(ascii: "\n")) else { return keep(unread) }
        let line = UnsafeRawBufferPointer(rebasing: unread[..<end])
        if rest.isEmpty {
          try give(line, body)
        } else {
          keep(line)
          try giveRest(body)
        }
        start += end + 1
      }
    }
  }

  /// Gives the last line, when it has no end.
  mutating func finish(_ body: (Line) throws -> Void) rethrows {
    if !rest.isEmpty { try giveRest(body) }
  }

  private mutating func giveRest(_ body: (Line) throws -> Void) rethrows {
    let line = rest
    rest.removeAll(keepingCapacity: true)
    try line.withUnsafeBytes { try give($0, body) }
  }

  private func give(_ line: UnsafeRawBufferPointer, _ body: (Line) throws -> Void) rethrows {
    let content = line.last == UInt8(ascii: "\r") ? UnsafeRawBufferPointer(rebasing: line.dropLast()) : line
    try body(
      Line(bytes: UnsafeRawBufferPointer(rebasing: content.prefix(limit)), isTooLong: content.count > limit))
  }

  private mutating func keep(_ bytes: UnsafeRawBufferPointer) {
    rest.append(contentsOf: bytes.prefix(max(0, limit + 2 - rest.count)))
  }
}

extension UnsafeRawBufferPointer {
  /// Where the byte comes first.
  func firstIndex(ofByte byte: UInt8) -> Int? {
    guard let base = baseAddress, let found = memchr(base, Int32(byte), count) else { return nil }
    return UnsafeRawPointer(found) - base
  }
}
