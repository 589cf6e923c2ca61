/// Makes ids for calls whose callers gave none: 16 hexadecimal digits, half of them drawn at random for each loop, the other half
/// counted, so that one costs a few nanoseconds. Confined to its loop.
struct RequestIDMaker {
  /// Characters, in the order in which they are in memory.
  typealias ID = (UInt64, UInt64)

  private var first = Self.digits(.random(in: .min ... .max))
  private var count: UInt32 = 0

  mutating func next() -> ID {
    defer {
      count &+= 1
      if count == 0 { first = Self.digits(.random(in: .min ... .max)) }
    }
    return (first, Self.digits(count))
  }

  static func text(_ id: ID) -> String {
    withUnsafeBytes(of: id) { String(decoding: $0, as: UTF8.self) }
  }

  /// The number's eight digits, all at once: each of its four-bit halves goes to a byte of its own, and from 10 on 39 more make a
  /// letter of it.
  private static func digits(_ number: UInt32) -> UInt64 {
    var spread = UInt64(number)
    spread = (spread | spread << 16) & 0x0000_FFFF_0000_FFFF
    spread = (spread | spread << 8) & 0x00FF_00FF_00FF_00FF
    spread = (spread | spread << 4) & 0x0F0F_0F0F_0F0F_0F0F
    let letters = (spread &+ 0x0606_0606_0606_0606) >> 4 & 0x0101_0101_0101_0101
    return (spread &+ 0x3030_3030_3030_3030 &+ letters &* 39).bigEndian
  }
}
