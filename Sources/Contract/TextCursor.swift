/// Writes text from left to right into memory that has room for it: an append to an array for each part of a line would cost more
/// than the part.
struct TextCursor {
  /// `00` to `99`, one behind the other.
  private static let pairs: StaticString = """
    00010203040506070809101112131415161718192021222324252627282930313233343536373839404142434445464748495051525354555657585960\
    616263646566676869707172737475767778798081828384858687888990919293949596979899
    """

  private(set) var next: UnsafeMutableRawPointer

  init(_ start: UnsafeMutableRawPointer) {
    next = start
  }

  @inline(__always)
  mutating func byte(_ value: UInt8) {
    next.storeBytes(of: value, as: UInt8.self)
    next += 1
  }

  @inline(__always)
  mutating func bytes(_ bytes: UnsafeRawBufferPointer) {
    guard let start = bytes.baseAddress else { return }
    next.copyMemory(from: start, byteCount: bytes.count)
    next += bytes.count
  }

  @inline(__always)
  mutating func text(_ text: StaticString) {
    bytes(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
  }

  mutating func string(_ text: String) {
    var text = text
    text.withUTF8 { bytes(UnsafeRawBufferPointer($0)) }
  }

  /// Decimal, without leading zeros; at most 20 bytes.
  @inline(__always)
  mutating func number(_ value: Int64) {
    if value < 0 { byte(UInt8(ascii: "-")) }
    let rest = value.magnitude
    var count = 1
    var bound: UInt64 = 10
    while count < 20, rest >= bound {
      count += 1
      bound = bound.multipliedReportingOverflow(by: 10).partialValue
    }
    digits(rest, count: count)
  }

  /// The number's last digits, with leading zeros.
  @inline(__always)
  mutating func digits(_ value: UInt64, count: Int) {
    var rest = value
    var left = count
    while left >= 2 {
      left -= 2
      let (quotient, pair) = rest.quotientAndRemainder(dividingBy: 100)
      rest = quotient
      (next + left).copyMemory(from: Self.pairs.utf8Start + 2 * Int(pair), byteCount: 2)
    }
    if left == 1 { next.storeBytes(of: UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10), as: UInt8.self) }
    next += count
  }
}
