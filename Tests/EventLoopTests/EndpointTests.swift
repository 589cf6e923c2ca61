import EventLoop
import Testing

@Suite struct EndpointTests {
  @Test(
    "HOST:PORT is taken as people write it",
    arguments: [
      ("127.0.0.1:7700", "127.0.0.1", 7700), ("localhost:0", "localhost", 0), ("[::1]:65535", "::1", 65535),
      ("a.b-c.example:1", "a.b-c.example", 1),
    ])
  func wellFormed(_ text: String, _ host: String, _ port: Int) throws {
    let endpoint = try Endpoint(text)
    #expect(endpoint.host == host)
    #expect(endpoint.port == port)
    #expect(endpoint.description == text)
  }

  @Test(
    "what is not HOST:PORT is refused, and the error shows it",
    arguments: [
      "", ":", "localhost", "localhost:", ":7700", "h:65536", "h:-1", "h:+1x", "h:1 ", "::1:7700", "[]:1", "h:0x10",
    ])
  func malformed(_ text: String) {
    let error = #expect(throws: Endpoint.Malformed.self) { try Endpoint(text) }
    #expect(error?.description.contains("'\(text)'") == true)
  }

  @Test("an address keeps its host when the port changes")
  func addressWithPort() throws {
    for text in ["127.0.0.1:80", "[::1]:80"] {
      let address = try #require(try SocketAddress.resolve(Endpoint(text)).first)
      #expect(address.description == text)
      #expect(address.with(port: 7700).description == text.replacing(":80", with: ":7700"))
      #expect(address.with(port: 65_535).port == 65_535)
    }
  }

  @Test("an unknown host name is the resolver's error, not an address in use")
  func unknownHost() throws {
    let error = #expect(throws: SocketError.self) {
      try SocketAddress.resolve(Endpoint(host: "no such host", port: 1))
    }
    #expect(error?.operation == "getaddrinfo")
    #expect(error?.isAddressInUse == false)
    #expect(error?.description.contains("no such host") == true)
  }
}
