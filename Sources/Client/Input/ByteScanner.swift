/// Goes through text from left to right, without a copy; what it reads must outlive it.
struct ByteScanner {
  let text: UnsafeRawBufferPointer
  /// The next byte.
  var index = 0

  init(_ text: UnsafeRawBufferPointer) {
    self.text = text
  }

  var isAtEnd: Bool { index == text.count }

  /// Goes past the character if it is the next one.
  mutating func skip(_ character: Unicode.Scalar) -> Bool {
    guard index < text.count, text[index] == UInt8(ascii: character) else { return false }
    index += 1
    return true
  }
}
