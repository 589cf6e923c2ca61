/// What a segment is for, in words for people: at most 1,024 characters.
package struct SegmentDescription: Hashable, Sendable, CustomStringConvertible {
  /// The longest, in characters (Unicode scalars).
  package static let maximumLength = 1024

  package let text: String

  /// - Throws: `SegmentationError.invalid` when it is too long or holds U+0000.
  package init(_ text: String, field: String = "description") throws(SegmentationError) {
    guard text.unicodeScalars.count <= Self.maximumLength else {
      throw .invalid(field: field, reason: "must have at most \(Self.maximumLength) characters")
    }
    guard !text.utf8.contains(0) else { throw .invalid(field: field, reason: "must not contain U+0000") }
    self.text = text
  }

  /// A description that the database holds.
  init(stored text: String) {
    self.text = text
  }

  package var description: String { text }
}
