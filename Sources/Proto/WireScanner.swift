/// Reads protobuf's wire format where it lies, each step checked against the end ("Encoding" of the protobuf documentation). What
/// is nil is malformed.
struct WireScanner {
  enum WireType: UInt8 {
    case varint = 0
    case fixed64 = 1
    case length = 2
    case fixed32 = 5
  }

  private var next: UnsafeRawPointer?
  private var left: Int

  init(_ bytes: UnsafeRawBufferPointer) {
    next = bytes.baseAddress
    left = bytes.count
  }

  var isAtEnd: Bool { left == 0 }

  /// A field's number and how its value is written.
  @inline(__always)
  mutating func tag() -> (field: UInt64, type: WireType)? {
    guard let tag = varint(), tag >> 3 != 0, tag >> 3 < 1 << 29, let type = WireType(rawValue: UInt8(tag & 7)) else {
      return nil
    }
    return (tag >> 3, type)
  }

  @inline(__always)
  mutating func varint() -> UInt64? {
    guard let start = next, left > 0 else { return nil }
    let first = start.load(as: UInt8.self)
    if first < 0x80 {
      advance(start, 1)
      return UInt64(first)
    }
    return longVarint(start, first)
  }

  private mutating func longVarint(_ start: UnsafeRawPointer, _ first: UInt8) -> UInt64? {
    var value = UInt64(first & 0x7f)
    var index = 1
    while index < min(left, 10) {
      let byte = start.load(fromByteOffset: index, as: UInt8.self)
      value |= UInt64(byte & 0x7f) << UInt64(7 * index)
      index += 1
      if byte < 0x80 {
        advance(start, index)
        return value
      }
    }
    return nil
  }

  /// A text, bytes or a message.
  @inline(__always)
  mutating func bytes() -> UnsafeRawBufferPointer? {
    guard let length = varint(), length <= UInt64(left), let start = next else { return nil }
    advance(start, Int(length))
    return UnsafeRawBufferPointer(start: start, count: Int(length))
  }

  /// - Returns: Whether there was a value.
  mutating func skip(_ type: WireType) -> Bool {
    switch type {
    case .varint: return varint() != nil
    case .length: return bytes() != nil
    case .fixed64, .fixed32:
      let size = type == .fixed64 ? 8 : 4
      guard let start = next, left >= size else { return false }
      advance(start, size)
      return true
    }
  }

  @inline(__always)
  private mutating func advance(_ start: UnsafeRawPointer, _ count: Int) {
    next = start + count
    left -= count
  }
}
