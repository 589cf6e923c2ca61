import Contract
import EventLoop
import GRPC
import Proto

/// The server as the commands see it. Confined to its loop.
struct Connection: Sendable {
  /// What a unary call may take unless told otherwise.
  static let unaryTimeout = Duration.seconds(30)

  let loop: EventLoop
  private let channel: Channel
  private let metadata: Metadata
  private let timeout: Duration?
  private let waitsForReady: Bool
  /// Of the whole command; nil when no timeout was asked for.
  private let deadline: ContinuousClock.Instant?

  init(_ settings: Settings, on loop: EventLoop) {
    self.loop = loop
    var configuration = ClientConfiguration()
    configuration.userAgent = "segctl/\(Version.current)"
    configuration.tls = settings.tls
    configuration.tlsServerName = settings.tlsServerName
    // One person at a terminal is no herd: a server that comes back is found soon.
    configuration.backoff.initial = .milliseconds(100)
    configuration.backoff.longest = .seconds(5)
    configuration.keepalive = Keepalive.Policy(interval: .seconds(60))
    channel = Channel(to: settings.address, on: loop, configuration: configuration)
    metadata = Metadata(["x-segmentd-actor": settings.actor])
    timeout = settings.timeout
    waitsForReady = settings.waitsForReady
    deadline = settings.timeout.map { ContinuousClock.now + $0 }
  }

  /// One request, one response, within the timeout or 30 seconds.
  /// - Throws: `RPCError`
  func unary<Request, Response>(
    _ method: ProtoMethod<Request, Response>, _ request: Request
  ) async throws -> Response {
    try await channel.unary(method.descriptor, request, options: options(method, timeout ?? Self.unaryTimeout))
  }

  /// Begins a call that may take as long as it needs, unless a timeout was asked for: that counts from the command's start.
  /// - Parameter waitsForReady: Waits for a server although nobody asked for it.
  /// - Throws: `RPCError`
  func stream<Request, Response>(
    _ method: ProtoMethod<Request, Response>, waitsForReady: Bool = false
  ) async throws -> ClientCall<Request, Response> {
    try await stream(method, as: method.descriptor, waitsForReady: waitsForReady)
  }

  /// The same with responses that have another form in memory.
  /// - Throws: `RPCError`
  func stream<Request, Response, Form: Sendable>(
    _ method: ProtoMethod<Request, Response>, as descriptor: MethodDescriptor<Request, Form>,
    waitsForReady: Bool = false, compression: MessageEncoding? = nil
  ) async throws -> ClientCall<Request, Form> {
    var options = options(method, deadline.map { $0 - .now })
    options.compression = compression
    options.waitsForReady = options.waitsForReady || waitsForReady
    return try await channel.call(descriptor, options: options)
  }

  /// One request, and what to do with each response.
  /// - Throws: `RPCError`, what `body` throws
  func stream<Request, Response>(
    _ method: ProtoMethod<Request, Response>, _ request: Request, _ body: (Response) async throws -> Void
  ) async throws {
    let call = try await stream(method)
    do {
      try await call.send(request)
      call.finish()
      while let response = try await call.next() { try await body(response) }
    } catch {
      call.cancel()
      throw error
    }
  }

  func close() {
    channel.close()
  }

  private func options<Request, Response>(
    _ method: ProtoMethod<Request, Response>, _ timeout: Duration?
  ) -> CallOptions {
    var options = CallOptions(timeout: timeout, metadata: metadata)
    options.waitsForReady = waitsForReady
    options.isIdempotent = method.isIdempotent
    return options
  }
}
