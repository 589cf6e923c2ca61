import EventLoop
import GRPC

/// The test as a server: each connection gets the next of its scripts, and silence behind the last. Confined to its loop.
final class ScriptedServer: @unchecked Sendable {
  typealias Script = @Sendable (ScriptedPeer) async throws -> Void

  private let loop: EventLoop
  private var scripts: ArraySlice<Script>
  private var listener: Listener?
  private var peers: [ScriptedPeer] = []
  private var silent: [Socket] = []
  private(set) var connections = 0

  init(on loop: EventLoop, _ scripts: [Script] = []) throws {
    self.loop = loop
    self.scripts = scripts[...]
    let address = try SocketAddress.resolve(Endpoint(host: "127.0.0.1", port: 0))[0]
    listener = try Listener(at: address, on: loop) { [unowned self] in accepted($0) }
  }

  var endpoint: Endpoint { Endpoint(host: "127.0.0.1", port: UInt16(listener?.address.port ?? 0)) }

  private func accepted(_ socket: Socket) {
    connections += 1
    guard let script = scripts.popFirst() else { return silent.append(socket) }
    let peer = ScriptedPeer(accepted: socket, on: loop)
    peers.append(peer)
    // What the script cannot do shows in what the client gets.
    loop.spawn { try? await script(peer) }
  }

  func stop() {
    listener = nil
    for peer in peers { peer.abort() }
    peers = []
    silent = []
  }
}
