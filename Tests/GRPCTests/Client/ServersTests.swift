import EventLoop
import GRPC
import TestSupport
import Testing

/// A client with several servers, one that comes late, or one that says nothing.
@Suite(.timeLimit(.minutes(5))) struct ServersTests {
  private struct Servers: Sendable {
    let loop: EventLoop
    let all: [GRPCServer]
    let probes: [Probe]

    func channel(_ policy: Balancer.Policy = .pickFirst) throws -> Channel {
      var configuration = ClientConfiguration()
      configuration.balancing = policy
      configuration.backoff.initial = .milliseconds(10)
      let target = try Target(all.map { "127.0.0.1:\($0.address.port)" }.joined(separator: ","))
      return Channel(to: target, on: loop, configuration: configuration)
    }
  }

  private func withServers(_ count: Int, _ body: @escaping @Sendable (Servers) async throws -> Void) async throws {
    try await withLoop { loop in
      var servers: [GRPCServer] = []
      let probes = (0..<count).map { _ in Probe() }
      for probe in probes {
        servers.append(
          try await GRPCServer(at: Endpoint(host: "127.0.0.1", port: 0), on: [loop]) { _ in
            TestService(probe: probe).router()
          })
      }
      let all = Servers(loop: loop, all: servers, probes: probes)
      let result = await Task(executorPreference: loop) { try await body(all) }.result
      for server in servers { await server.shutDown(grace: .zero) }
      try result.get()
    }
  }

  private static func waiting(_ timeout: Duration) -> CallOptions {
    var options = CallOptions(timeout: timeout)
    options.waitsForReady = true
    return options
  }

  @Test("pick first sends all calls to the first server, and to the next when that goes")
  func pickFirst() async throws {
    try await withServers(2) { servers in
      let channel = try servers.channel()
      for _ in 0..<4 { _ = try await channel.exchange(.unary, [[1]]) }
      #expect(servers.probes.map(\.started) == [4, 0])
      await servers.all[0].shutDown(grace: .seconds(5))
      for _ in 0..<4 { _ = try await channel.exchange(.unary, [[1]]) }
      #expect(servers.probes.map(\.started) == [4, 4])
      channel.close()
    }
  }

  @Test("round robin sends calls to all servers, and leaves out one that has gone")
  func roundRobin() async throws {
    try await withServers(3) { servers in
      let channel = try servers.channel(.roundRobin)
      let isEverywhere = { servers.probes.allSatisfy { $0.started > 0 } }
      try await eventually(on: servers.loop, isEverywhere) { _ = try await channel.exchange(.unary, [[1]]) }
      let before = servers.probes.map(\.started)
      for _ in 0..<9 { _ = try await channel.exchange(.unary, [[1]]) }
      #expect(servers.probes.map(\.started) == before.map { $0 + 3 })
      await servers.all[1].shutDown(grace: .seconds(5))
      for _ in 0..<6 { _ = try await channel.exchange(.unary, [[1]]) }
      #expect(servers.probes[1].started == before[1] + 3)
      #expect(servers.probes[0].started + servers.probes[2].started == before[0] + before[2] + 12)
      channel.close()
    }
  }

  @Test("a call that waits for a server gets the one that comes, while others are told that there is none")
  func waitsForReady() async throws {
    try await withLoop { loop in
      let address = try Listener.reserve(SocketAddress.resolve(Endpoint(host: "127.0.0.1", port: 0))[0])
      let endpoint = Endpoint(host: "127.0.0.1", port: UInt16(address.port))
      var configuration = ClientConfiguration()
      configuration.backoff.initial = .milliseconds(10)
      let channel = Channel(to: endpoint, on: loop, configuration: configuration)
      let caller = Task.immediate(executorPreference: loop) {
        try await channel.exchange(.unary, [[1]], options: Self.waiting(.seconds(60)))
      }
      let error = await #expect(throws: RPCError.self) { try await channel.exchange(.unary, [[1]]) }
      #expect(error?.code == .unavailable)
      let probe = Probe()
      let server = try await GRPCServer(at: endpoint, on: [loop]) { _ in TestService(probe: probe).router() }
      try await expectEqual(caller.value, [[1]])
      channel.close()
      await server.shutDown(grace: .zero)
    }
  }

  @Test("a call that waits for a server that never comes meets its deadline")
  func waitsInVain() async throws {
    try await withLoop { loop in
      let address = try Listener.reserve(SocketAddress.resolve(Endpoint(host: "127.0.0.1", port: 0))[0])
      let channel = Channel(to: Endpoint(host: "127.0.0.1", port: UInt16(address.port)), on: loop)
      let error = await #expect(throws: RPCError.self) {
        try await channel.exchange(.unary, [[1]], options: Self.waiting(.milliseconds(50)))
      }
      #expect(error?.code == .deadlineExceeded)
      channel.close()
    }
  }

  @Test("a server that accepts and says nothing does not hold up the one behind it")
  func silent() async throws {
    try await withServers(1) { servers in
      let silent = try ScriptedServer(on: servers.loop)
      let target = try Target("\(silent.endpoint),127.0.0.1:\(servers.all[0].address.port)")
      let channel = Channel(to: target, on: servers.loop)
      try await expectEqual(channel.exchange(.unary, [[1]], options: CallOptions(timeout: .seconds(60))), [[1]])
      #expect(silent.connections == 1)
      channel.close()
      silent.stop()
    }
  }

  @Test("a name stands for all its addresses, and one that is unknown does not matter beside others")
  func name() async throws {
    try await withServers(1) { servers in
      let port = servers.all[0].address.port
      for text in ["localhost:\(port)", "dns:///localhost:\(port)", "no-such-host.invalid:1,localhost:\(port)"] {
        let channel = Channel(to: try Target(text), on: servers.loop)
        try await expectEqual(channel.exchange(.unary, [[1]], options: CallOptions(timeout: .seconds(60))), [[1]])
        channel.close()
      }
    }
  }

  @Test("an unknown name is UNAVAILABLE, and the message says which")
  func unknownName() async throws {
    try await withLoop { loop in
      let channel = Channel(to: try Target("no-such-host.invalid:7700"), on: loop)
      let error = await #expect(throws: RPCError.self) { try await channel.exchange(.unary, [[1]]) }
      #expect(error?.code == .unavailable)
      #expect(error?.message.contains("no-such-host.invalid") == true)
      channel.close()
    }
  }

  @Test("a connection that does not answer the keepalive is given up")
  func keepalive() async throws {
    try await withLoop { loop in
      let server = try ScriptedServer(on: loop, [{ $0.send(.settings()) }])
      var configuration = ClientConfiguration()
      var keepalive = Keepalive.Policy(interval: .milliseconds(20))
      keepalive.timeout = .milliseconds(20)
      configuration.keepalive = keepalive
      let channel = Channel(to: server.endpoint, on: loop, configuration: configuration)
      let error = await #expect(throws: RPCError.self) {
        try await channel.exchange(.unary, [[1]], options: CallOptions(timeout: .seconds(60)))
      }
      #expect(error?.code == .unavailable)
      channel.close()
      server.stop()
    }
  }
}
