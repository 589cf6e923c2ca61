import Proto

/// Reads what `AuditJSONLines` writes: one flat object a line, of texts and whole numbers. Only the fields that the digest is made
/// of are looked at.
enum AuditJSONRecord {
  /// - Returns: nil when it is not such an object, or a field that is needed is missing.
  static func parse(_ line: UnsafeRawBufferPointer) -> AuditRecord? {
    var scanner = ByteScanner(line)
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

/// The parts of a JSON object (RFC 8259) without spaces.
extension ByteScanner {
  /// What stands between the quotes, escapes as they are.
  fileprivate mutating func string() -> UnsafeRawBufferPointer? {
    guard skip("\"") else { return nil }
    let start = index
    while index < text.count, text[index] != UInt8(ascii: "\"") { index += text[index] == UInt8(ascii: "\\") ? 2 : 1 }
    guard index < text.count else { return nil }
    defer { index += 1 }
    return UnsafeRawBufferPointer(rebasing: text[start..<index])
  }

  /// A text or a whole number.
  fileprivate mutating func value() -> UnsafeRawBufferPointer? {
    if index < text.count, text[index] == UInt8(ascii: "\"") { return string() }
    let start = index
    while index < text.count, text[index] == UInt8(ascii: "-") || (0x30...0x39).contains(text[index]) { index += 1 }
    return index > start ? UnsafeRawBufferPointer(rebasing: text[start..<index]) : nil
  }
}
