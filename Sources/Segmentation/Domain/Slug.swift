/// A segment's name: 1 to 128 characters, `[A-Za-z0-9][A-Za-z0-9_.-]*`. Unique among living segments, never changed.
package struct Slug: Hashable, Comparable, Sendable, CustomStringConvertible {
  /// The longest slug, in characters.
  package static let maximumLength = 128

  /// The name itself; ASCII.
  package let text: String

  /// - Parameter field: What the caller calls the value.
  /// - Throws: `SegmentationError.invalid` when it is not a slug.
  package init(_ text: String, field: String = "slug") throws(SegmentationError) {
    if let reason = Self.complaint(about: text) { throw .invalid(field: field, reason: reason) }
    self.text = text
  }

  /// A slug that the database holds.
  init(stored text: String) {
    self.text = text
  }

  package var description: String { text }

  package static func < (left: Slug, right: Slug) -> Bool { left.text < right.text }

  /// Why the text is no slug; nil when it is one.
  static func complaint(about text: String) -> String? {
    let bytes = text.utf8
    if bytes.isEmpty { return "must not be empty" }
    if bytes.count > maximumLength { return "must have at most \(maximumLength) characters" }
    for (index, byte) in bytes.enumerated() where !isAllowed(byte, first: index == 0) {
      return index == 0
        ? "must begin with a letter or a digit"
        : "must consist of letters, digits, '_', '.' and '-'"
    }
    return nil
  }

  /// Whether the text can be the beginning of a slug; the empty one can.
  static func isPrefix(_ text: String) -> Bool { text.isEmpty || complaint(about: text) == nil }

  private static func isAllowed(_ byte: UInt8, first: Bool) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"):
      true
    case UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: "-"): !first
    default: false
    }
  }
}
