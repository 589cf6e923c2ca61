/// Where the objects of a bucket are: what their addresses begin with.
///
///     https://reports.s3.eu-central-1.amazonaws.com/audit
///     http://minio.internal:9000/reports
///
/// Whether the bucket's name stands in the host or in the path is the service's matter.
package struct BucketAddress: Hashable, Sendable {
  /// As the `Host` header has it: in small letters, without the scheme's own port.
  let host: String
  /// Begins with a slash and does not end with one; empty for none.
  let path: String
  private let scheme: String

  /// `https://HOST/PATH`, without a slash at the end.
  package var text: String { "\(scheme)://\(host)\(path)" }

  /// - Returns: nil for anything but http or https, a host, perhaps a port, and perhaps a path of letters, digits and `-._~`.
  package init?(_ text: String) {
    let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
    guard parts.count == 2, parts[1].hasPrefix("//"), parts[0] == "http" || parts[0] == "https" else { return nil }
    scheme = String(parts[0])
    let rest = parts[1].dropFirst(2)
    let end = rest.firstIndex(of: "/") ?? rest.endIndex
    guard let host = Self.host(rest[..<end], scheme: scheme) else { return nil }
    self.host = host
    var path = rest[end...]
    while path.hasSuffix("/") { path.removeLast() }
    guard Self.isPath(path) else { return nil }
    self.path = String(path)
  }

  /// The address of an object.
  /// - Parameter name: Letters, digits and `-._~` only.
  func url(of name: String) -> String { "\(text)/\(name)" }

  private static func host(_ text: Substring, scheme: String) -> String? {
    let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
    let name = parts[0].lowercased()
    guard !name.isEmpty,
      name.utf8.allSatisfy({ isLetterOrDigit($0) || $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "-") })
    else { return nil }
    guard parts.count == 2 else { return name }
    guard let port = UInt16(parts[1]), port > 0, "\(port)" == parts[1] else { return nil }
    return port == (scheme == "https" ? 443 : 80) ? name : "\(name):\(port)"
  }

  /// Of what needs no escapes: they are where signatures differ.
  private static func isPath(_ text: Substring) -> Bool {
    text.split(separator: "/", omittingEmptySubsequences: false).dropFirst().allSatisfy { part in
      !part.isEmpty && part != "." && part != ".." && part.utf8.allSatisfy(AddressEncoding.isPlain)
    }
  }

  private static func isLetterOrDigit(_ byte: UInt8) -> Bool {
    AddressEncoding.isPlain(byte) && !"-._~".utf8.contains(byte)
  }
}

/// Escapes in addresses, as signatures want them (RFC 3986, section 2.3).
enum AddressEncoding {
  static func isPlain(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
      UInt8(ascii: "~"):
      true
    default: false
    }
  }

  static func escaped(_ text: String) -> String {
    let digits = Array("0123456789ABCDEF".utf8)
    let bytes = text.utf8.flatMap { byte in
      isPlain(byte) ? [byte] : [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}
