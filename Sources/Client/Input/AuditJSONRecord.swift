import Proto

/// Reads what `AuditJSONLines` writes: one flat object a line, of texts and whole numbers. Only the fields that the digest is made
/// of are looked at.
enum AuditJSONRecord {
  /// - Returns: nil when it is not such an object, or a field that is needed is missing.
  static func parse(_ line: UnsafeRawBufferPointer) -> AuditRecord? {
    var scanner = ObjectScanner(line)
    var record = AuditRecord()
    var found = 0
    guard scanner.skip("{") else { return nil }
    repeat {
      guard let name = scanner.string(), scanner.skip(":"), let value = scanner.value() else { return nil }
      switch String(decoding: name, as: UTF8.self) {
      case "user_id":
        guard let number = Int64(String(decoding: value, as: UTF8.self)) else { return nil }
        record.userID = number
      case "segment_slug": record.segmentSlug = String(decoding: value, as: UTF8.self)
      case "action":
        let text = String(decoding: value, as: UTF8.self)
        guard let action = AuditAction.allCases.first(where: { $0.name == text }) else { return nil }
        record.action = action
      case "effective_time":
        guard let time = RFC3339.parse(value) else { return nil }
        record.effectiveTime = time
      default: continue
      }
      found += 1
    } while scanner.skip(",")
    return scanner.skip("}") && scanner.isAtEnd && found == 4 ? record : nil
  }
}

/// Goes through a JSON object (RFC 8259) without spaces, from left to right.
private struct ObjectScanner {
  private let text: UnsafeRawBufferPointer
  private var index = 0

  init(_ text: UnsafeRawBufferPointer) {
    self.text = text
  }

  var isAtEnd: Bool { index == text.count }

  mutating func skip(_ character: Unicode.Scalar) -> Bool {
    guard index < text.count, text[index] == UInt8(ascii: character) else { return false }
    index += 1
    return true
  }

  /// What stands between the quotes, escapes as they are.
  mutating func string() -> UnsafeRawBufferPointer? {
    guard skip("\"") else { return nil }
    let start = index
    while index < text.count, text[index] != UInt8(ascii: "\"") { index += text[index] == UInt8(ascii: "\\") ? 2 : 1 }
    guard index < text.count else { return nil }
    defer { index += 1 }
    return UnsafeRawBufferPointer(rebasing: text[start..<index])
  }

  /// A text or a whole number.
  mutating func value() -> UnsafeRawBufferPointer? {
    if index < text.count, text[index] == UInt8(ascii: "\"") { return string() }
    let start = index
    while index < text.count, text[index] == UInt8(ascii: "-") || (0x30...0x39).contains(text[index]) { index += 1 }
    return index > start ? UnsafeRawBufferPointer(rebasing: text[start..<index]) : nil
  }
}
