import CSSL
import Testing

@testable import TLS

/// Two sessions without sockets.
@Suite struct HandshakeTests {
  private let authority: Authority
  private let server: TLSContext
  private let client: TLSContext

  init() throws {
    authority = try Authority()
    server = try Self.server(authority.issue("server"))
    client = try TLSContext.client(TLSClientFiles(ca: authority.certificate))
  }

  private static func server(_ identity: Authority.Identity, clientCA: String? = nil) throws -> TLSContext {
    try TLSContext.server(
      TLSServerFiles(certificate: identity.certificate, key: identity.key, clientCA: clientCA)
    ).0
  }

  /// A client that offers these protocols, or sends no offer at all.
  private func client(offering names: [String]) throws -> TLSContext {
    let context = try TLSContext(TLS_client_method(), isServer: false)
    try context.trust(authority.certificate)
    let offer = names.flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) }
    if !offer.isEmpty { #expect(SSL_CTX_set_alpn_protos(context.pointer, offer, UInt32(offer.count)) == 0) }
    return context
  }

  private func certificateFailure(_ error: (any Error)?) -> String? {
    guard case .certificate(let reason) = error as? TLSError else { return nil }
    return reason
  }

  @Test(
    "both sides agree, wherever their bytes are cut, and read what the other one writes",
    arguments: [Int.max, 1, 7, 1000])
  func agree(_ cut: Int) throws {
    let pair = try Handshake(client, server)
    let outcome = try #require(pair.run(cut: cut))
    #expect(outcome.client == nil && outcome.server == nil)
    let large = (0..<100_000).map { UInt8(truncatingIfNeeded: $0) }
    try #expect(Handshake.send([1, 2, 3], from: pair.client, to: pair.server) == [1, 2, 3])
    try #expect(Handshake.send(large, from: pair.server, to: pair.client) == large)
  }

  @Test("a name or an address that the certificate has is accepted", arguments: ["localhost", "127.0.0.1"])
  func rightName(_ name: String) throws {
    let outcome = try #require(Handshake(client, server, name: name).run())
    #expect(outcome.client == nil && outcome.server == nil)
  }

  @Test(
    "another name is refused by the client", arguments: ["example.org", "127.0.0.2", "localhost.example.org", "host"])
  func wrongName(_ name: String) throws {
    let outcome = try #require(Handshake(client, server, name: name).run())
    #expect(certificateFailure(outcome.client)?.contains("mismatch") == true)
    #expect(outcome.server != nil)
  }

  @Test("a certificate that has expired is refused by the client")
  func expired() throws {
    let server = try Self.server(authority.issue("expired", days: -1))
    let outcome = try #require(Handshake(client, server).run())
    #expect(certificateFailure(outcome.client)?.contains("expired") == true)
  }

  @Test("a certificate of another authority is refused by the client")
  func stranger() throws {
    let stranger = try Authority().issue("server")
    let outcome = try #require(Handshake(client, Self.server(stranger)).run())
    #expect(certificateFailure(outcome.client) != nil)
  }

  @Test("a client that does not offer h2 is refused", arguments: [[], ["http/1.1"], ["h2c", "h"], ["h22"]])
  func protocols(_ offer: [String]) throws {
    let outcome = try #require(Handshake(client(offering: offer), server).run())
    #expect(outcome.server as? TLSError == .noHTTP2)
    #expect(outcome.client != nil)
  }

  @Test("h2 is found among other protocols")
  func among() throws {
    let outcome = try #require(Handshake(client(offering: ["http/1.1", "h2", "x"]), server).run())
    #expect(outcome.client == nil && outcome.server == nil)
  }

  @Test("a client needs a certificate of the right authority when the server wants one")
  func clientCertificates() throws {
    let server = try Self.server(authority.issue("server"), clientCA: authority.certificate)
    let stranger = try Authority()
    for (identity, isAccepted) in try [
      (authority.issue("caller"), true), (nil, false), (stranger.issue("caller"), false),
      (authority.issue("late", days: -1), false),
    ] {
      let files = TLSClientFiles(ca: authority.certificate, certificate: identity?.certificate, key: identity?.key)
      let outcome = try #require(Handshake(TLSContext.client(files), server).run())
      #expect((outcome.server == nil) == isAccepted)
    }
  }

  @Test("what is not TLS, and what was changed on its way, is an error")
  func damaged() throws {
    #expect(throws: TLSError.self) {
      try Array("PRI * HTTP/2.0\r\n\r\n".utf8).withUnsafeBytes { try TLSSession(server).handshake($0) }
    }
    let pair = try Handshake(client, server)
    _ = pair.run()
    try [7].withUnsafeBytes { try pair.client.seal($0) }
    var sealed = pair.client.outgoing
    sealed[sealed.count - 1] ^= 1
    #expect(throws: TLSError.self) { try Handshake.read(sealed, pair.server) }
  }
}
