import EventLoop
import GRPC
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(5))) struct ShutdownTests {
  @Test("shutting down lets a call finish, and takes no more connections")
  func graceful() async throws {
    try await withServer { fixture in
      let call = try await fixture.channel.call(Kind.bidirectional.method)
      try await call.send([1])
      try await expectEqual(call.next(), [1])
      let down = Task.immediate(executorPreference: fixture.loop) {
        await fixture.server.shutDown(grace: .seconds(30))
      }
      await #expect(throws: RPCError.self) {
        try await Channel(to: fixture.endpoint, on: fixture.loop).exchange(.unary, [[1]])
      }
      try await call.send([2])
      try await expectEqual(call.next(), [2])
      call.finish()
      try await expectEqual(call.next(), nil)
      await down.value
      #expect(fixture.probe.ended == [.ok])
    }
  }

  @Test("what is left after the grace is ended: handlers are cancelled, callers get UNAVAILABLE")
  func graceEnds() async throws {
    try await withServer { fixture in
      let caller = Task.immediate(executorPreference: fixture.loop) {
        try await fixture.channel.exchange(.unary, [[1]], options: .behave("hang"))
      }
      try await eventually(on: fixture.loop) { fixture.probe.started == 1 }
      await fixture.server.shutDown(grace: .milliseconds(20))
      let error = await #expect(throws: RPCError.self) { try await caller.value }
      #expect(error?.code == .unavailable)
      try await eventually(on: fixture.loop) { fixture.probe.cancelled == 1 }
    }
  }

  @Test("a call that is on its way when the shutdown is announced is still served")
  func onItsWay() async throws {
    try await withServer { fixture in
      let peer = try await ScriptedPeer(to: fixture.server.address, on: fixture.loop)
      peer.send(.ping([1, 1, 1, 1, 1, 1, 1, 1]))
      try await expectEqual(peer.frame()?.kind, .ping)
      let down = Task.immediate(executorPreference: fixture.loop) {
        await fixture.server.shutDown(grace: .seconds(30))
      }
      let notice = try await peer.frame()
      #expect(notice?.kind == .goAway)
      #expect(notice?.number(at: 0) == 0x7fff_ffff)
      let ping = try #require(try await peer.frame())
      #expect(ping.kind == .ping)
      peer.send(.call(1, "Unary"), .data(1, grpcMessage([1]), end: true))
      peer.send(Frame(kind: .ping, flags: Frame.acknowledged, payload: ping.payload))
      try await expectEqual(peer.answer(on: 1).status, "0")
      while try await peer.frame() != nil {}
      #expect(peer.lastServed == 1)
      await down.value
    }
  }

  @Test("idle connections close at once")
  func idle() async throws {
    try await withServer { fixture in
      try await expectEqual(fixture.channel.exchange(.unary, [[1]]), [[1]])
      await fixture.server.shutDown(grace: .seconds(30))
    }
  }

  @Test("a server that is dropped stops listening, and its calls go on")
  func dropped() async throws {
    try await withLoop { loop in
      let probe = Probe()
      var server: GRPCServer? = try await GRPCServer(at: Endpoint(host: "127.0.0.1", port: 0), on: [loop]) { _ in
        TestService(probe: probe).router()
      }
      let port = try #require(server?.address.port)
      let endpoint = Endpoint(host: "127.0.0.1", port: UInt16(port))
      let channel = Channel(to: endpoint, on: loop)
      let call = try await channel.call(Kind.bidirectional.method)
      try await call.send([1])
      try await expectEqual(call.next(), [1])
      server = nil
      try await loop.sleep(for: .zero)
      try await call.send([2])
      try await expectEqual(call.next(), [2])
      await #expect(throws: RPCError.self) { try await Channel(to: endpoint, on: loop).exchange(.unary, [[1]]) }
      call.finish()
      try await expectEqual(call.next(), nil)
      channel.close()
    }
  }

  @Test("a port in use is an error before anything listens")
  func portInUse() async throws {
    try await withServer { fixture in
      let error = await #expect(throws: SocketError.self) {
        try await GRPCServer(at: fixture.endpoint, on: [fixture.loop]) { _ in Router() }
      }
      #expect(error?.isAddressInUse == true)
    }
  }

  @Test("a router that throws leaves no listener behind")
  func routerThrows() async throws {
    struct Failure: Error {}
    try await withLoop { loop in
      let address = try Listener.reserve(SocketAddress.resolve(Endpoint(host: "127.0.0.1", port: 0))[0])
      let endpoint = Endpoint(host: "127.0.0.1", port: UInt16(address.port))
      await #expect(throws: Failure.self) { try await GRPCServer(at: endpoint, on: [loop]) { _ in throw Failure() } }
      let server = try await GRPCServer(at: endpoint, on: [loop]) { _ in Router() }
      await server.shutDown(grace: .zero)
    }
  }
}
