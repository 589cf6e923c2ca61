import EventLoop
import HTTP2

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
    guard
      let session = try? Session(
        .server, configuration: configuration.http2, on: loop,
        onStream: { $0.delegate = ServerStream($0, server: self) })
    else { return }
    var id: ObjectIdentifier?
    // Connections may outlive the server's owner, and keep the share alive: what they hold is released when they close.
    let connection = HTTP2Connection(socket, session: session, buffers: buffers) { _ in
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
