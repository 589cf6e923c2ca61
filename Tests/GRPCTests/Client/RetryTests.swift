import EventLoop
import GRPC
import TestSupport
import Testing

/// What becomes of a call when the server or the connection lets it down; the server's frames are the test's.
@Suite(.timeLimit(.minutes(5))) struct RetryTests {
  private static let refusedStream: UInt32 = 7

  private func withServer(
    _ scripts: [ScriptedServer.Script], configure: @escaping @Sendable (inout ClientConfiguration) -> Void = { _ in },
    _ body: @escaping @Sendable (Channel, ScriptedServer) async throws -> Void
  ) async throws {
    try await withLoop { loop in
      let server = try ScriptedServer(on: loop, scripts)
      var configuration = ClientConfiguration()
      configuration.backoff.initial = .milliseconds(10)
      configure(&configuration)
      let channel = Channel(to: server.endpoint, on: loop, configuration: configuration)
      let result = await Task(executorPreference: loop) { try await body(channel, server) }.result
      channel.close()
      server.stop()
      try result.get()
    }
  }

  private static let once = CallOptions(timeout: .seconds(60))
  private static let idempotent: CallOptions = {
    var options = once
    options.isIdempotent = true
    return options
  }()

  /// Answers the first request with the number.
  private static func answering(_ number: UInt8) -> ScriptedServer.Script {
    { peer in
      peer.send(.settings())
      let request = try await peer.request()
      peer.answer(request?.stream ?? 0, [number])
    }
  }

  @Test("a call that the server refused is made again, and not counted as an attempt", arguments: Kind.allCases)
  func refused(_ kind: Kind) async throws {
    let script: ScriptedServer.Script = { peer in
      peer.send(.settings())
      let first = try await peer.request()
      peer.send(.reset(first?.stream ?? 0, code: Self.refusedStream))
      let second = try await peer.request()
      peer.answer(second?.stream ?? 0, second?.headers["grpc-previous-rpc-attempts"] == nil ? [1] : [2])
    }
    try await withServer([script]) { channel, _ in
      try await expectEqual(channel.exchange(kind, [[5]], options: Self.once), [[1]])
    }
  }

  @Test("UNAVAILABLE repeats a call only when that is idempotent, and the server hears how often")
  func unavailable() async throws {
    let script: ScriptedServer.Script = { peer in
      peer.send(.settings())
      while let request = try await peer.request() {
        let attempts = request.headers["grpc-previous-rpc-attempts"] ?? "0"
        if attempts == "2" { peer.answer(request.stream, [2]) } else { peer.refuse(request.stream, 14) }
      }
    }
    try await withServer([script]) { channel, _ in
      try await expectEqual(channel.exchange(.unary, [[5]], options: Self.idempotent), [[2]])
      let error = await #expect(throws: RPCError.self) {
        try await channel.exchange(.unary, [[5]], options: Self.once)
      }
      #expect(error?.code == .unavailable)
    }
  }

  @Test("a server that says never is not asked again")
  func pushback() async throws {
    let script: ScriptedServer.Script = { peer in
      peer.send(.settings())
      let request = try await peer.request()
      peer.refuse(request?.stream ?? 0, 14, extra: [("grpc-retry-pushback-ms", "-1")])
      let second = try await peer.request()
      peer.answer(second?.stream ?? 0, [1])
    }
    try await withServer([script]) { channel, _ in
      let error = await #expect(throws: RPCError.self) {
        try await channel.exchange(.unary, [[5]], options: Self.idempotent)
      }
      #expect(error?.code == .unavailable)
    }
  }

  @Test("nothing is repeated once a part of the answer has come")
  func committed() async throws {
    let script: ScriptedServer.Script = { peer in
      peer.send(.settings())
      let request = try await peer.request()
      let stream = request?.stream ?? 0
      peer.send(
        .headers(stream, [(":status", "200"), ("content-type", "application/grpc")]), .data(stream, grpcMessage([1])),
        .headers(stream, [("grpc-status", "14")], end: true))
      let second = try await peer.request()
      peer.answer(second?.stream ?? 0, [2])
    }
    try await withServer([script]) { channel, _ in
      let call = try await channel.serverStreaming(Kind.serverStream.method, [5], options: Self.idempotent)
      try await expectEqual(call.next(), [1])
      let error = await #expect(throws: RPCError.self) { try await call.next() }
      #expect(error?.code == .unavailable)
    }
  }

  @Test("a call that has sent more than is kept is not made again")
  func tooMuch() async throws {
    let script: ScriptedServer.Script = { peer in
      peer.send(.settings())
      while let request = try await peer.request() { peer.refuse(request.stream, 14) }
    }
    try await withServer([script], configure: { $0.retry?.bufferLimit = 1000 }) { channel, _ in
      let call = try await channel.call(Kind.clientStream.method, options: Self.idempotent)
      for _ in 0..<3 { try await call.send(Bytes(repeating: 1, count: 500)) }
      call.finish()
      let error = await #expect(throws: RPCError.self) { try await call.response() }
      #expect(error?.code == .unavailable)
      #expect(channel.budgetTokens == 10)
    }
  }

  @Test("a call on its way when the server says GOAWAY is made again on another connection")
  func goAway() async throws {
    let leaving: ScriptedServer.Script = { peer in
      peer.send(.settings())
      _ = try await peer.request()
      peer.send(.goAway(last: 0))
    }
    try await withServer([leaving, Self.answering(2)]) { channel, server in
      try await expectEqual(channel.exchange(.unary, [[5]], options: Self.once), [[2]])
      #expect(server.connections == 2)
    }
  }

  @Test("a call that the server goes on with after GOAWAY ends well, and the next one gets another connection")
  func gracefulGoAway() async throws {
    let leaving: ScriptedServer.Script = { peer in
      peer.send(.settings())
      let request = try await peer.request()
      peer.send(.goAway(last: 0x7fff_ffff), .ping([1, 2, 3, 4, 5, 6, 7, 8]))
      while let frame = try await peer.frame(), frame.kind != .ping {}
      peer.answer(request?.stream ?? 0, [1])
    }
    try await withServer([leaving, Self.answering(2)]) { channel, _ in
      try await expectEqual(channel.exchange(.unary, [[5]], options: Self.once), [[1]])
      try await expectEqual(channel.exchange(.unary, [[5]], options: Self.once), [[2]])
    }
  }

  @Test("a call that waits for a stream to become free when the server says GOAWAY is made again")
  func queuedBehindGoAway() async throws {
    let leaving: ScriptedServer.Script = { peer in
      peer.send(.settings([3: 1]))
      let request = try await peer.request()
      peer.send(.ping([1, 2, 3, 4, 5, 6, 7, 8]))
      while let frame = try await peer.frame(), frame.kind != .ping {}
      peer.send(.goAway(last: request?.stream ?? 0))
      peer.answer(request?.stream ?? 0, [1])
    }
    try await withServer([leaving, Self.answering(2)]) { channel, _ in
      // Connects first, so that both calls are in the same turn.
      async let first = channel.exchange(.unary, [[5]], options: Self.once)
      async let second = channel.exchange(.unary, [[6]], options: Self.once)
      let answers = try await [first, second]
      #expect(Set(answers) == [[[1]], [[2]]])
    }
  }

  @Test("a connection that is lost ends a call with UNAVAILABLE, and repeats it when it is idempotent")
  func lostConnection() async throws {
    let leaving: ScriptedServer.Script = { peer in
      peer.send(.settings())
      _ = try await peer.request()
      peer.abort()
    }
    try await withServer([leaving, Self.answering(2)]) { channel, _ in
      try await expectEqual(channel.exchange(.unary, [[5]], options: Self.idempotent), [[2]])
    }
    try await withServer([leaving, Self.answering(2)]) { channel, server in
      let error = await #expect(throws: RPCError.self) {
        try await channel.exchange(.unary, [[5]], options: Self.once)
      }
      #expect(error?.code == .unavailable)
      #expect(server.connections == 1)
    }
  }

  @Test("a call that is cancelled between two attempts ends, and is not made again")
  func cancelled() async throws {
    let script: ScriptedServer.Script = { peer in
      peer.send(.settings())
      let request = try await peer.request()
      peer.refuse(request?.stream ?? 0, 14, extra: [("grpc-retry-pushback-ms", "100000")])
    }
    try await withServer([script]) { channel, server in
      var options = Self.idempotent
      options.timeout = nil
      let call = try await channel.serverStreaming(Kind.unary.method, [5], options: options)
      let reader = Task.immediate(executorPreference: channel.loop) { try await call.next() }
      try await eventually(on: channel.loop) { channel.budgetTokens == 9 }
      call.cancel()
      let error = await #expect(throws: RPCError.self) { try await reader.value }
      #expect(error?.code == .cancelled)
    }
  }

  @Test("a call whose deadline comes before the next attempt fails with the status that it got")
  func deadline() async throws {
    let script: ScriptedServer.Script = { peer in
      peer.send(.settings())
      let request = try await peer.request()
      let pushback = [("grpc-retry-pushback-ms", "100000"), ("grpc-message", "later")]
      peer.refuse(request?.stream ?? 0, 14, extra: pushback)
    }
    try await withServer([script]) { channel, _ in
      let error = await #expect(throws: RPCError.self) {
        try await channel.exchange(.unary, [[5]], options: Self.idempotent)
      }
      #expect(error?.message == "later")
    }
  }
}
