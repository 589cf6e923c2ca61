import EventLoop
import HTTP2
import TLS

/// A server's share on one loop: its listener, its connections, its handlers. Confined to its loop.
final class ServerLoop: @unchecked Sendable {
  let loop: EventLoop
  let configuration: ServerConfiguration
  let hooks: ServerHooks
  let router: Router
  let codec = MessageCodec()
  private let buffers = ConnectionBuffers()
  private var listener: Listener?
  private(set) var connections: [ObjectIdentifier: HTTP2Connection] = [:]
  /// How many connections there have been.
  private(set) var accepted: UInt64 = 0
  var requestIDs = RequestIDMaker()
  private var handshakes: [ObjectIdentifier: TLSHandshake] = [:]
  private(set) var handshakesFailed: UInt64 = 0
  private var drained: Promise<Void>?

  init(on loop: EventLoop, configuration: ServerConfiguration, hooks: ServerHooks, router: Router) {
    self.loop = loop
    self.configuration = configuration
    self.hooks = hooks
    self.router = router
  }

  func listen(at address: SocketAddress) throws {
    listener = try Listener(at: address, on: loop) { [unowned self] in accepted($0) }
  }

  private func accepted(_ socket: Socket) {
    accepted &+= 1
    guard let tls = configuration.tls else { return begin(Transport(socket)) }
    guard let session = try? TLSSession(tls.context) else { return }
    var id: ObjectIdentifier?
    let handshake = TLSHandshake(
      socket, session, on: loop, buffers: buffers, timeout: configuration.tlsHandshakeTimeout
    ) { [weak self] result in
      guard let self else { return }
      if let id { self.handshakes[id] = nil }
      switch result {
      case .success(let transport): begin(transport)
      case .failure(is CancellationError): break
      case .failure(let error):
        handshakesFailed &+= 1
        hooks.handshakeFailed?(error)
      }
    }
    id = ObjectIdentifier(handshake)
    handshakes[ObjectIdentifier(handshake)] = handshake
  }

  private func begin(_ transport: Transport) {
    guard
      let session = try? Session(
        .server, configuration: configuration.http2, on: loop,
        onStream: { $0.delegate = ServerStream($0, server: self) })
    else { return }
    var id: ObjectIdentifier?
    // Connections may outlive the server's owner, and keep the share alive: what they hold is released when they close.
    let connection = HTTP2Connection(transport, session: session, buffers: buffers) { _ in
      id.map { self.closed($0) }
    }
    id = ObjectIdentifier(connection)
    connections[ObjectIdentifier(connection)] = connection
  }

  private func closed(_ id: ObjectIdentifier) {
    connections[id] = nil
    if connections.isEmpty { drained?.succeed(()) }
  }

  /// Takes no more connections.
  func stopListening() {
    listener = nil
  }

  /// Takes no more connections and calls, waits for those that are going on, and closes what is left after `grace`.
  func shutDown(grace: Duration) async {
    listener = nil
    for handshake in handshakes.values { handshake.cancel() }
    guard !connections.isEmpty else { return }
    let drained = Promise<Void>(on: loop)
    self.drained = drained
    for connection in connections.values { connection.shutDown() }
    let timer = Timer(on: loop) { self.connections.values.forEach { $0.close() } }
    timer.schedule(after: grace)
    defer { timer.cancel() }
    _ = try? await drained.value()
  }
}
