import EventLoop

/// Where a client's servers are, as people write it (gRPC Name Resolution):
///
///     HOST:PORT    dns:///HOST:PORT    ipv4:1.2.3.4:7700    ipv6:[::1]:7700
///
/// Several stand behind one another with commas, and count as one service. A name stands for all its addresses.
package struct Target: Hashable, Sendable, CustomStringConvertible {
  package struct Malformed: Error, CustomStringConvertible {
    package let description: String
  }

  /// Never empty, in the order of preference.
  package let endpoints: [Endpoint]
  package let description: String

  package init(_ endpoint: Endpoint) {
    endpoints = [endpoint]
    description = "\(endpoint)"
  }

  /// - Throws: `Malformed` for an unknown scheme, for what is not HOST:PORT, and for a name where an address has to be.
  package init(_ text: String) throws(Malformed) {
    let (scheme, rest) = try Self.split(text)
    var endpoints: [Endpoint] = []
    for part in rest.split(separator: ",", omittingEmptySubsequences: false) {
      let endpoint: Endpoint
      do { endpoint = try Endpoint(String(part)) } catch { throw Malformed(description: "\(error)") }
      let isIPv6 = endpoint.host.contains(":")
      if scheme != .dns, isIPv6 != (scheme == .ipv6) || SocketAddress.numeric(endpoint) == nil {
        throw Malformed(description: "'\(part)' is not an \(scheme == .ipv4 ? "IPv4" : "IPv6") address with a port")
      }
      endpoints.append(endpoint)
    }
    self.endpoints = endpoints
    description = endpoints.map { "\($0)" }.joined(separator: ",")
  }

  private enum Scheme {
    case dns, ipv4, ipv6
  }

  private static func split(_ text: String) throws(Malformed) -> (Scheme, Substring) {
    for (prefix, scheme) in [("dns:///", Scheme.dns), ("ipv4:", .ipv4), ("ipv6:", .ipv6)] where text.hasPrefix(prefix) {
      return (scheme, text.dropFirst(prefix.count))
    }
    if text.hasPrefix("dns://") { throw Malformed(description: "'\(text)' names a DNS server, which is not supported") }
    // `dns:HOST:PORT`; a host named dns has its port behind the only colon.
    let isShort = text.hasPrefix("dns:") && text.dropFirst(4).contains(":")
    return (.dns, isShort ? text.dropFirst(4) : text[...])
  }
}
