import CSSL

@testable import TLS

/// A client's and a server's session that are given each other's bytes.
struct Handshake {
  let client: TLSSession
  let server: TLSSession

  init(_ client: TLSContext, _ server: TLSContext, name: String = "localhost") throws {
    self.client = try TLSSession(client, serverName: name)
    self.server = try TLSSession(server)
  }

  /// What each side ended with: nil when it is established.
  struct Outcome {
    var client: (any Error)?
    var server: (any Error)?
  }

  /// - Parameter cut: How many bytes go over at once.
  func run(cut: Int = .max) -> Outcome? {
    var outcome = Outcome()
    var isDone = (client: false, server: false)
    var (toServer, toClient): ([UInt8], [UInt8]) = ([], [])
    for round in 0..<10_000 {
      if !isDone.client, round == 0 || !toClient.isEmpty {
        isDone.client = advance(client, &toClient, cut, &outcome.client)
        toServer += take(client)
      }
      if !isDone.server, !toServer.isEmpty {
        isDone.server = advance(server, &toServer, cut, &outcome.server)
        toClient += take(server)
      }
      if isDone.client, isDone.server { return outcome }
      // One has failed and has nothing more to say.
      if isDone.client || isDone.server, isDone.client || toClient.isEmpty, isDone.server || toServer.isEmpty {
        return outcome
      }
    }
    return nil
  }

  /// - Returns: Whether the session is through.
  private func advance(_ session: TLSSession, _ bytes: inout [UInt8], _ cut: Int, _ failure: inout (any Error)?) -> Bool
  {
    let piece = Array(bytes.prefix(cut))
    bytes.removeFirst(piece.count)
    do { return try piece.withUnsafeBytes { try session.handshake($0) } } catch {
      failure = error
      return true
    }
  }

  private func take(_ session: TLSSession) -> [UInt8] {
    defer { session.outgoing = [] }
    return session.outgoing
  }

  /// What `to` reads of what `from` writes.
  static func send(_ bytes: [UInt8], from: TLSSession, to: TLSSession) throws -> [UInt8] {
    try bytes.withUnsafeBytes { try from.seal($0) }
    let sealed = from.outgoing
    from.outgoing = []
    return try read(sealed, to)
  }

  static func read(_ sealed: [UInt8], _ session: TLSSession) throws -> [UInt8] {
    var plain: [UInt8] = []
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 14, alignment: 1)
    defer { buffer.deallocate() }
    try sealed.withUnsafeBytes { try session.open($0, in: buffer) { plain += $0 } }
    return plain
  }
}
