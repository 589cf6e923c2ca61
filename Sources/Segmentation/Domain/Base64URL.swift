#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// Base 64 with the alphabet that is safe in URLs, without padding (RFC 4648 section 5).
enum Base64URL {
  static func encode(_ bytes: [UInt8]) -> String {
    String(
      decoding: Data(bytes).base64EncodedString().utf8.compactMap { digit in
        switch digit {
        case UInt8(ascii: "+"): UInt8(ascii: "-")
        case UInt8(ascii: "/"): UInt8(ascii: "_")
        case UInt8(ascii: "="): nil
        default: digit
        }
      }, as: UTF8.self)
  }

  /// Nil when the text is not what `encode` makes: there is one way to write each value.
  static func decode(_ text: String) -> [UInt8]? {
    var digits = text.utf8.map { digit in
      switch digit {
      case UInt8(ascii: "-"): UInt8(ascii: "+")
      case UInt8(ascii: "_"): UInt8(ascii: "/")
      default: digit
      }
    }
    while digits.count % 4 != 0 { digits.append(UInt8(ascii: "=")) }
    guard let data = Data(base64Encoded: Data(digits)) else { return nil }
    let bytes = Array(data)
    return encode(bytes) == text ? bytes : nil
  }
}
