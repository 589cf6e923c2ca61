import EventLoop
import HTTP2
import TestSupport

@testable import GRPC

typealias Bytes = [UInt8]

/// The four kinds of calls; each echoes: a unary-answer kind sends back the requests joined, a streaming one each of them.
enum Kind: String, CaseIterable, Sendable {
  case unary = "Unary"
  case clientStream = "ClientStream"
  case serverStream = "ServerStream"
  case bidirectional = "Bidirectional"

  var method: MethodDescriptor<Bytes, Bytes> { Self.method(rawValue) }

  /// Whether the client sends exactly one message.
  var takesOne: Bool { self == .unary || self == .serverStream }

  static func method(_ name: String) -> MethodDescriptor<Bytes, Bytes> {
    MethodDescriptor(path: "/test.Service/\(name)", request: coding, response: coding)
  }

  static let coding = MessageCoding<Bytes>(decode: { Array($0) }, encode: { $1 += $0 })
}

/// What the handlers of one server saw. Confined to the server's loop.
final class Probe: @unchecked Sendable {
  var started = 0
  /// Handlers that were cancelled while they waited.
  var cancelled = 0
  /// Handlers that have returned or thrown.
  var finished = 0
  var written = 0
  var ended: [StatusCode] = []
  var metadata: [(name: String, value: String)] = []
  var deadlines: [ContinuousClock.Instant?] = []
  var unexpected: [String] = []
}

/// Echoes; the call's metadata `behave` makes it `fail`, `fail-late`, `crash`, `hang` or `flood` (sends 16 KiB messages for ever).
struct TestService: Sendable {
  struct Unexpected: Error {}

  let probe: Probe

  func router() -> Router {
    let router = Router()
    router.unary(Kind.unary.method) { request, call in
      try await observed(call) {
        try await before(call)
        try after(call)
        return request
      }
    }
    router.clientStreaming(Kind.clientStream.method) { requests, call in
      try await observed(call) {
        try await before(call)
        var all: Bytes = []
        for try await request in requests { all += request }
        try after(call)
        return all
      }
    }
    router.serverStreaming(Kind.serverStream.method) { request, responses, call in
      try await observed(call) {
        try await before(call)
        try await flood(responses, call)
        if !request.isEmpty { try await responses.write(request) }
        try after(call)
      }
    }
    router.bidirectional(Kind.bidirectional.method) { requests, responses, call in
      try await observed(call) {
        try await before(call)
        try await flood(responses, call)
        for try await request in requests { try await responses.write(request) }
        try after(call)
      }
    }
    return router
  }

  private func observed<Result: Sendable>(_ call: ServerCall, _ body: () async throws -> Result) async throws -> Result
  {
    probe.started += 1
    probe.metadata = call.metadata.fields
    probe.deadlines.append(call.deadline)
    defer { probe.finished += 1 }
    return try await body()
  }

  private func before(_ call: ServerCall) async throws {
    switch call.metadata["behave"] {
    case "fail":
      throw RPCError(.failedPrecondition, "not today: 100% \u{e9}\n", details: [0, 1, 254, 255])
    case "metadata", "metadata-fail":
      call.initialMetadata.append("x-initial", "1")
      call.trailingMetadata.append("x-trailing-bin", bytes: [0, 1])
      if call.metadata["behave"] == "metadata-fail" { throw RPCError(.aborted, "") }
    case "crash":
      throw Unexpected()
    case "unsendable-initial":
      call.initialMetadata.append("x-initial", "1\nset-cookie: 2")
    case "unsendable-trailing":
      call.trailingMetadata.append("x-trailing", "1\r\n2")
    case "hang":
      do { try await call.loop.sleep(for: .seconds(3600)) } catch {
        probe.cancelled += 1
        throw error
      }
    default: break
    }
  }

  private func after(_ call: ServerCall) throws {
    guard call.metadata["behave"] == "fail-late" else { return }
    throw RPCError(.dataLoss, "after all", details: [9])
  }

  private func flood(_ responses: ResponseWriter<Bytes>, _ call: ServerCall) async throws {
    guard call.metadata["behave"] == "flood" else { return }
    let message = Bytes(repeating: 1, count: 16 << 10)
    do {
      while true {
        try await responses.write(message)
        probe.written += message.count
      }
    } catch {
      probe.cancelled += 1
      throw error
    }
  }
}

/// A server and a channel to it on one loop, so that a test sees both without locks.
struct Fixture: Sendable {
  let loop: EventLoop
  let server: GRPCServer
  let channel: Channel
  let probe: Probe

  var endpoint: Endpoint { Endpoint(host: "127.0.0.1", port: UInt16(server.address.port)) }
}

func withServer(
  configuration: ServerConfiguration = .init(), client: ClientConfiguration = .init(),
  _ body: @escaping @Sendable (Fixture) async throws -> Void
) async throws {
  try await withLoop { loop in
    let probe = Probe()
    let hooks = ServerHooks(callEnded: { _, code in probe.ended.append(code) })
    let server = try await GRPCServer(
      at: Endpoint(host: "127.0.0.1", port: 0), on: [loop], configuration: configuration, hooks: hooks
    ) { _ in TestService(probe: probe).router() }
    let endpoint = Endpoint(host: "127.0.0.1", port: UInt16(server.address.port))
    let channel = Channel(to: endpoint, on: loop, configuration: client)
    do {
      try await body(Fixture(loop: loop, server: server, channel: channel, probe: probe))
    } catch {
      channel.close()
      await server.shutDown(grace: .zero)
      throw error
    }
    channel.close()
    await server.shutDown(grace: .zero)
  }
}

extension Channel {
  /// Sends all requests, then reads all responses.
  func exchange(_ kind: Kind, _ requests: [Bytes], options: CallOptions = .init()) async throws -> [Bytes] {
    let call = try await call(kind.method, options: options)
    for request in requests { try await call.send(request) }
    call.finish()
    var responses: [Bytes] = []
    while let response = try await call.next() { responses.append(response) }
    return responses
  }
}

extension CallOptions {
  static func behave(_ how: String, timeout: Duration? = nil) -> CallOptions {
    CallOptions(timeout: timeout, metadata: ["behave": how])
  }
}

extension Metadata: ExpressibleByDictionaryLiteral {
  public init(dictionaryLiteral fields: (String, String)...) {
    self.init()
    for (name, value) in fields { append(name, value) }
  }
}

struct NeverTrue: Error {}

/// Waits, on the loop, until a condition holds, and does something meanwhile; gives up after a minute.
func eventually(
  on loop: EventLoop, _ condition: () -> Bool, doing work: () async throws -> Void = {}
) async throws {
  let limit = ContinuousClock.now + .seconds(60)
  while !condition() {
    guard ContinuousClock.now < limit else { throw NeverTrue() }
    try await work()
    try await loop.sleep(for: .milliseconds(1))
  }
}

extension Channel {
  /// What is left of the retry budget.
  var budgetTokens: Double { budget.tokens }
}
