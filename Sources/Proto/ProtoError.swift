/// Why bytes are not a message, or a message cannot become bytes.
package enum ProtoError: Error, Hashable, Sendable {
  /// The bytes are not a message of this type (its full name).
  case malformed(message: String)

  /// A string field (its full name) is not UTF-8.
  case invalidUTF8(field: String)

  /// A string field (its full name) contains U+0000, which neither protobuf-c nor PostgreSQL's text can hold.
  case containsNUL(field: String)

  /// Decoding or encoding would take more than this many bytes of memory.
  case tooLarge(limit: Int)

  /// A timestamp or duration is outside the range that its type (its full name) may have.
  case outOfRange(message: String)

  /// An Any holds this type URL, and another message was asked for.
  case otherType(url: String)
}

extension ProtoError: CustomStringConvertible {
  /// One sentence for people.
  package var description: String {
    switch self {
    case .malformed(let message): "the bytes are not a \(message)"
    case .invalidUTF8(let field): "\(field) is not valid UTF-8"
    case .containsNUL(let field): "\(field) contains the character U+0000"
    case .tooLarge(let limit): "the message takes more than \(limit) bytes of memory"
    case .outOfRange(let message): "the \(message) is out of range"
    case .otherType(let url): "the Any holds \(url)"
    }
  }
}
