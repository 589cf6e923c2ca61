/// `HOST:PORT` as people write it; an IPv6 address stands in brackets.
package struct Endpoint: Hashable, Sendable, CustomStringConvertible {
  package struct Malformed: Error, CustomStringConvertible {
    let text: String
    package var description: String { "'\(text)' is not HOST:PORT with a port from 0 to 65535" }
  }

  package let host: String
  /// 0 to 65535; 0 lets the system choose one when listening.
  package let port: Int

  package init(host: String, port: UInt16) {
    self.host = host
    self.port = Int(port)
  }

  /// - Throws: `Malformed` unless the text is `HOST:PORT` or `[IPV6]:PORT`.
  package init(_ text: String) throws(Malformed) {
    guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else {
      throw Malformed(text: text)
    }
    var host = text[..<colon]
    if host.hasPrefix("["), host.hasSuffix("]") {
      host = host.dropFirst().dropLast()
    } else if host.contains(":") {
      throw Malformed(text: text)
    }
    guard !host.isEmpty else { throw Malformed(text: text) }
    self.init(host: String(host), port: port)
  }

  package var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}
