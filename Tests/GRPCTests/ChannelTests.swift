import EventLoop
import GRPC
import HTTP2
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(5))) struct ChannelTests {
  @Test("a server that is not there is UNAVAILABLE, and the message names it")
  func unreachable() async throws {
    try await withLoop { loop in
      let address = try Listener.reserve(SocketAddress.resolve(Endpoint(host: "127.0.0.1", port: 0))[0])
      let channel = Channel(to: Endpoint(host: "127.0.0.1", port: UInt16(address.port)), on: loop)
      let error = await #expect(throws: RPCError.self) { try await channel.exchange(.unary, [[1]]) }
      #expect(error?.code == .unavailable)
      #expect(error?.message.contains("127.0.0.1:\(address.port)") == true)
    }
  }

  @Test("calls that begin together share one connection")
  func sharesConnection() async throws {
    try await withServer { fixture in
      try await withThrowingTaskGroup(of: [Bytes].self) { group in
        for number in 0..<20 {
          group.addTask(executorPreference: fixture.loop) {
            try await fixture.channel.exchange(.unary, [[UInt8(number)]])
          }
        }
        var seen: Set<UInt8> = []
        for try await answer in group { seen.insert(answer[0][0]) }
        #expect(seen.count == 20)
      }
    }
  }

  /// A listener that accepts and says nothing.
  private func withSilentServer(_ body: @escaping @Sendable (EventLoop, Channel) async throws -> Void) async throws {
    try await withLoop { loop in
      let sockets = Sockets()
      let address = try SocketAddress.resolve(Endpoint(host: "127.0.0.1", port: 0))[0]
      let listener = try Listener(at: address, on: loop) { sockets.all.append($0) }
      let channel = Channel(to: Endpoint(host: "127.0.0.1", port: UInt16(listener.address.port)), on: loop)
      try await body(loop, channel)
      channel.close()
      withExtendedLifetime((listener, sockets)) {}
    }
  }

  private final class Sockets: @unchecked Sendable { var all: [Socket] = [] }

  @Test("a server that says nothing meets the deadline")
  func silentServer() async throws {
    try await withSilentServer { loop, channel in
      let error = await #expect(throws: RPCError.self) {
        try await channel.exchange(.unary, [[1]], options: CallOptions(timeout: .milliseconds(30)))
      }
      #expect(error?.code == .deadlineExceeded)
    }
  }

  @Test("closing the channel ends a call that waits for its connection")
  func closeWhileConnecting() async throws {
    try await withSilentServer { loop, channel in
      let caller = Task.immediate(executorPreference: loop) { try await channel.exchange(.unary, [[1]]) }
      channel.close()
      let error = await #expect(throws: RPCError.self) { try await caller.value }
      #expect(error?.code == .unavailable)
    }
  }

  @Test("cancelling ends a call that waits for its connection, and not its neighbour")
  func cancelWhileConnecting() async throws {
    try await withServer { fixture in
      let first = Task.immediate(executorPreference: fixture.loop) {
        try await fixture.channel.exchange(.unary, [[1]])
      }
      let second = Task.immediate(executorPreference: fixture.loop) {
        try await fixture.channel.exchange(.unary, [[2]])
      }
      first.cancel()
      let error = await #expect(throws: RPCError.self) { try await first.value }
      #expect(error?.code == .cancelled)
      try await expectEqual(second.value, [[2]])
    }
  }

  @Test("a channel whose last reference goes lets its call finish")
  func droppedChannel() async throws {
    try await withServer { fixture in
      var channel: Channel? = Channel(to: fixture.endpoint, on: fixture.loop)
      let call = try #require(try await channel?.call(Kind.bidirectional.method))
      try await call.send([1])
      try await expectEqual(call.next(), [1])
      channel = nil
      try await fixture.loop.sleep(for: .milliseconds(1))
      try await call.send([2])
      try await expectEqual(call.next(), [2])
      call.finish()
      try await expectEqual(call.next(), nil)
    }
  }

  @Test("metadata of many kinds reaches the handler as it was")
  func metadata() async throws {
    try await withServer { fixture in
      var options = CallOptions(metadata: ["x-one": "1", "x-twice": "a", "x-twice": "b", "x-empty": ""])
      options.metadata.append("data-bin", bytes: [0, 255, 128])
      _ = try await fixture.channel.exchange(.unary, [[1]], options: options)
      let seen = fixture.probe.metadata
      #expect(seen.map(\.name) == ["x-one", "x-twice", "x-twice", "x-empty", "data-bin"])
      #expect(seen.map(\.value) == ["1", "a", "b", "", "AP+A"])
    }
  }

  @Test("a response with several messages where one is due is an error")
  func tooManyResponses() async throws {
    try await withServer { fixture in
      let call = try await fixture.channel.call(Kind.bidirectional.method)
      try await call.send([1])
      try await call.send([2])
      call.finish()
      let error = await #expect(throws: RPCError.self) { try await call.response() }
      #expect(error?.code == .internalError)
    }
  }

  @Test("a second reader of one call gets an error, and the first goes on")
  func twoReaders() async throws {
    try await withServer { fixture in
      let call = try await fixture.channel.call(Kind.bidirectional.method)
      let first = Task.immediate(executorPreference: fixture.loop) { try await call.next() }
      let error = await #expect(throws: RPCError.self) { try await call.next() }
      #expect(error?.code == .internalError)
      try await call.send([1])
      try await expectEqual(first.value, [1])
      call.cancel()
    }
  }
}
