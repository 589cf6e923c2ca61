import Foundation
import Testing

@testable import TLS

/// A server's files, and what becomes of it when they change.
@Suite struct IdentityTests {
  private let authority: Authority
  private let files: TLSServerFiles

  init() throws {
    authority = try Authority()
    let first = try authority.issue("first")
    files = TLSServerFiles(certificate: first.certificate, key: first.key, clientCA: nil)
  }

  /// Replaces the files' contents with another identity's.
  private func replace(with other: Authority.Identity) throws {
    for (path, source) in [(files.certificate, other.certificate), (files.key, other.key)] {
      try Data(contentsOf: URL(fileURLWithPath: source)).write(to: URL(fileURLWithPath: path), options: .atomic)
    }
  }

  @Test("new files are read when they have changed, and new sessions use them")
  func reload() throws {
    let identity = try TLSServerIdentity(files)
    let client = try TLSContext.client(TLSClientFiles(ca: authority.certificate))
    #expect(try !identity.reload(onlyIfChanged: true))
    let open = try Handshake(client, identity.context)
    #expect(open.run()?.server == nil)
    try replace(with: authority.issue("second", days: 10))
    #expect(try identity.reload(onlyIfChanged: true))
    #expect(identity.certificate.subject.contains("second"))
    let days = (identity.certificate.expiry - Int64(Date().timeIntervalSince1970)) / 86_400
    #expect((9...10).contains(days))
    let fresh = try Handshake(client, identity.context)
    #expect(fresh.run()?.client == nil)
    // What was open before goes on.
    try #expect(Handshake.send([1], from: open.client, to: open.server) == [1])
  }

  @Test("files that cannot be used change nothing, and are complained of once")
  func bad() throws {
    let identity = try TLSServerIdentity(files)
    let other = try authority.issue("other")
    // A key of another certificate.
    try Data(contentsOf: URL(fileURLWithPath: other.key)).write(to: URL(fileURLWithPath: files.key), options: .atomic)
    #expect(throws: TLSError.self) { try identity.reload(onlyIfChanged: true) }
    #expect(try !identity.reload(onlyIfChanged: true))
    #expect(identity.certificate.subject.contains("first"))
    try FileManager.default.removeItem(atPath: files.certificate)
    #expect(throws: TLSError.self) { try identity.reload(onlyIfChanged: false) }
    #expect(identity.certificate.subject.contains("first"))
  }

  @Test("another authority for callers counts from the next handshake on")
  func authorities() throws {
    let other = try Authority()
    let copy = authority.folder.appendingPathComponent("callers.pem")
    try Data(contentsOf: URL(fileURLWithPath: authority.certificate)).write(to: copy, options: .atomic)
    var files = files
    files.clientCA = copy.path
    let identity = try TLSServerIdentity(files)
    let caller = try other.issue("caller")
    let client = try TLSContext.client(
      TLSClientFiles(ca: authority.certificate, certificate: caller.certificate, key: caller.key))
    #expect(try Handshake(client, identity.context).run()?.server != nil)
    try Data(contentsOf: URL(fileURLWithPath: other.certificate)).write(to: copy, options: .atomic)
    #expect(try identity.reload(onlyIfChanged: true))
    #expect(try Handshake(client, identity.context).run()?.server == nil)
  }
}
