/// What a caller calls its request, so that the same one again gives the same answer: 1 to 128 characters.
package struct RequestID: Hashable, Sendable, CustomStringConvertible {
  /// The longest, in characters (Unicode scalars).
  package static let maximumLength = 128

  package let text: String

  /// - Throws: `SegmentationError.invalid` when it is empty, too long or holds U+0000.
  package init(_ text: String, field: String = "request_id") throws(SegmentationError) {
    guard !text.isEmpty else { throw .invalid(field: field, reason: "must not be empty") }
    guard text.unicodeScalars.count <= Self.maximumLength else {
      throw .invalid(field: field, reason: "must have at most \(Self.maximumLength) characters")
    }
    guard !text.utf8.contains(0) else { throw .invalid(field: field, reason: "must not contain U+0000") }
    self.text = text
  }

  package var description: String { text }
}
