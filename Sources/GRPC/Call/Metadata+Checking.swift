/// Metadata that a handler or a caller wants to send, and that the wire has no form for (gRPC over HTTP/2, "Custom-Metadata").
package struct UnsendableMetadata: Error, CustomStringConvertible {
  /// The field's name; its value stays out of answers and logs.
  let name: String
  let reason: String

  package var description: String { "the metadata field '\(name)' cannot be sent: \(reason)" }
}

extension Metadata {
  /// A value that is not checked could end its line in a proxy's HTTP/1 and begin another field there.
  /// - Throws: `UnsendableMetadata` for the first field that is not as the specification says.
  func check() throws(UnsendableMetadata) {
    guard !isEmpty else { return }
    for field in fields {
      guard !field.name.isEmpty, field.name.utf8.allSatisfy(Self.isNameCharacter) else {
        throw UnsendableMetadata(
          name: String(field.name.prefix(100).filter { $0.isASCII && $0 > " " }),
          reason: "a name is made of a-z, 0-9, '_', '-' and '.'")
      }
      if field.name.hasSuffix("-bin") {
        guard Self.isBase64(field.value) else {
          throw UnsendableMetadata(name: field.name, reason: "a value whose name ends in -bin is base64")
        }
      } else if !field.value.utf8.allSatisfy({ 0x20...0x7e ~= $0 }) {
        throw UnsendableMetadata(name: field.name, reason: "a value is printable ASCII, unless the name ends in -bin")
      } else if field.value.first == " " || field.value.last == " " {
        throw UnsendableMetadata(name: field.name, reason: "a value does not begin or end with a space")
      }
    }
  }

  private static func isNameCharacter(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
    case UInt8(ascii: "_"), UInt8(ascii: "-"), UInt8(ascii: "."): true
    default: false
    }
  }

  /// One value, or several with commas between them.
  private static func isBase64(_ text: String) -> Bool {
    text.split(separator: ",", omittingEmptySubsequences: false).allSatisfy { Base64.decode(String($0)) != nil }
  }
}
