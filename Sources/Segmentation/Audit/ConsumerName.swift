/// What a reader of the audit log calls itself: 1 to 128 characters, none of them a control character.
package struct ConsumerName: Hashable, Sendable, CustomStringConvertible {
  /// The longest, in characters (Unicode scalars).
  package static let maximumLength = 128

  package let text: String

  /// - Throws: `SegmentationError.invalid` when it is empty, too long or holds a control character.
  package init(_ text: String, field: String = "consumer") throws(SegmentationError) {
    guard !text.isEmpty else { throw .invalid(field: field, reason: "must not be empty") }
    guard text.unicodeScalars.count <= Self.maximumLength else {
      throw .invalid(field: field, reason: "must have at most \(Self.maximumLength) characters")
    }
    guard text.unicodeScalars.allSatisfy({ $0.properties.generalCategory != .control }) else {
      throw .invalid(field: field, reason: "must not contain control characters")
    }
    self.text = text
  }

  package var description: String { text }
}
