/// The fields of one line of CSV, from left to right, each as the bytes of the line that it is.
///
/// A field may stand in quotes. No field of ours can hold a quote, so one within quotes is malformed.
struct CSVFields {
  private var rest: UnsafeRawBufferPointer?

  init(_ line: UnsafeRawBufferPointer) {
    rest = line
  }

  /// - Returns: nil behind the last field.
  /// - Throws: `Malformed` for quotes that do not enclose a field.
  mutating func next() throws(MembershipLines.Malformed) -> UnsafeRawBufferPointer? {
    guard let rest else { return nil }
    guard rest.first == UInt8(ascii: "\"") else {
      let end = rest.firstIndex(ofByte: UInt8(ascii: ","))
      advance(past: end)
      return UnsafeRawBufferPointer(rebasing: rest[..<(end ?? rest.count)])
    }
    let content = UnsafeRawBufferPointer(rebasing: rest.dropFirst())
    guard let end = content.firstIndex(ofByte: UInt8(ascii: "\"")) else { throw .init(reason: "a quote is not closed") }
    let behind = end + 2
    guard behind == rest.count || rest[behind] == UInt8(ascii: ",") else {
      throw .init(reason: "a field goes on behind its quotes")
    }
    advance(past: behind == rest.count ? nil : behind)
    return UnsafeRawBufferPointer(rebasing: content[..<end])
  }

  private mutating func advance(past comma: Int?) {
    guard let comma, let line = rest else { return rest = nil }
    rest = UnsafeRawBufferPointer(rebasing: line[(comma + 1)...])
  }
}
