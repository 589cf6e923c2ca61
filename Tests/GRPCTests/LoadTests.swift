import EventLoop
import GRPC
import HTTP2
import Testing

@Suite(.timeLimit(.minutes(5))) struct LoadTests {
  @Test(
    "1,000 calls at once on one connection, and more than the server allows wait their turn", arguments: [1000, 1500])
  func concurrent(_ count: Int) async throws {
    try await withServer { fixture in
      let callers = (0..<count).map { number in
        Task.immediate(executorPreference: fixture.loop) {
          let call = try await fixture.channel.call(Kind.bidirectional.method)
          let message = Bytes("\(number)".utf8)
          try await call.send(message)
          return (call, try await call.next() == message)
        }
      }
      // All that the server takes at once are open here.
      try await eventually(on: fixture.loop) { fixture.probe.started == 1000 }
      for caller in callers[..<1000] {
        let (call, isEqual) = try await caller.value
        #expect(isEqual)
        call.finish()
        try await expectEqual(call.next(), nil)
      }
      for caller in callers[1000...] {
        let (call, isEqual) = try await caller.value
        #expect(isEqual)
        call.finish()
        try await expectEqual(call.next(), nil)
      }
      #expect(fixture.probe.ended.count == count)
    }
  }

  @Test("messages of 3 MiB go both ways", arguments: Kind.allCases)
  func large(_ kind: Kind) async throws {
    try await withServer { fixture in
      let message = Bytes((0..<3 << 20).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) })
      try await expectEqual(fixture.channel.exchange(kind, [message]), [message])
    }
  }

  @Test("a message over the server's limit is RESOURCE_EXHAUSTED, and a good call right after it succeeds")
  func overTheLimit() async throws {
    try await withServer { fixture in
      for kind in Kind.allCases {
        let error = await #expect(throws: RPCError.self) {
          try await fixture.channel.exchange(kind, [Bytes(repeating: 1, count: 5 << 20)])
        }
        #expect(error?.code == .resourceExhausted)
        try await expectEqual(fixture.channel.exchange(kind, [[1]]), [[1]])
      }
    }
  }

  @Test("a message over the client's limit is RESOURCE_EXHAUSTED, and cancels the handler")
  func overTheClientsLimit() async throws {
    var client = ClientConfiguration()
    client.maxMessageSize = 1000
    try await withServer(client: client) { fixture in
      let error = await #expect(throws: RPCError.self) {
        try await fixture.channel.exchange(.unary, [Bytes(repeating: 1, count: 1001)])
      }
      #expect(error?.code == .resourceExhausted)
      try await expectEqual(fixture.channel.exchange(.unary, [[1]]), [[1]])
    }
  }

  @Test("a slow reader holds the handler back, and gets everything in the end")
  func slowReader() async throws {
    try await withServer { fixture in
      let call = try await fixture.channel.serverStreaming(
        Kind.serverStream.method, [1], options: .behave("flood"))
      var before = -1
      try await eventually(on: fixture.loop) {
        defer { before = fixture.probe.written }
        return fixture.probe.written > 0 && fixture.probe.written == before
      }
      // What both sides hold: the client's window and high water, and what the server has queued.
      let client = ClientConfiguration()
      let held = Int(client.http2.streamWindow) + client.inboundHighWater + HTTP2Configuration().outputHighWater
      #expect(fixture.probe.written <= held + 32 << 10)
      var read = 0
      while read < 3 * held {
        read += try #require(try await call.next()).count
      }
      #expect(fixture.probe.written > before)
      call.cancel()
      try await eventually(on: fixture.loop) { fixture.probe.cancelled == 1 }
    }
  }

  @Test("a slow handler holds the sender back")
  func slowHandler() async throws {
    try await withServer { fixture in
      let call = try await fixture.channel.call(Kind.clientStream.method, options: .behave("hang"))
      let sent = Counter()
      let sender = Task.immediate(executorPreference: fixture.loop) {
        while true {
          try await call.send(Bytes(repeating: 1, count: 16 << 10))
          sent.value += 16 << 10
        }
      }
      var before = -1
      try await eventually(on: fixture.loop) {
        defer { before = sent.value }
        return sent.value > 0 && sent.value == before
      }
      let server = ServerConfiguration()
      let held = Int(server.http2.streamWindow) + server.inboundHighWater + HTTP2Configuration().outputHighWater
      #expect(sent.value <= held + 64 << 10)
      call.cancel()
      _ = await sender.result
    }
  }

  @Test("finished calls leave nothing behind: one after the other, many at once, cancelled, failed")
  func nothingIsLeft() async throws {
    try await withServer { fixture in
      let live = LiveObjects()
      for round in 0..<20 {
        try await withThrowingTaskGroup(of: Void.self) { group in
          for number in 0..<100 {
            group.addTask(executorPreference: fixture.loop) {
              let kind = Kind.allCases[number % 4]
              switch number % 7 {
              case 0: _ = try? await fixture.channel.exchange(kind, [[1]], options: .behave("fail"))
              case 1:
                let call = try await fixture.channel.call(kind.method, options: .behave("hang"))
                live.add(call)
                try await call.send([1])
                call.cancel()
              default:
                let call = try await fixture.channel.call(kind.method, options: CallOptions(timeout: .seconds(60)))
                live.add(call)
                try await call.send([1])
                call.finish()
                while try await call.next() != nil {}
              }
            }
          }
          try await group.waitForAll()
        }
        if round % 5 == 4 { try await eventually(on: fixture.loop) { live.count == 0 } }
      }
      #expect(live.added > 1000)
    }
  }

  @Test("50,000 calls on one connection do not grow the memory")
  func memoryStaysFlat() async throws {
    try await withServer { fixture in
      func run(_ count: Int) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
          for _ in 0..<50 {
            group.addTask(executorPreference: fixture.loop) {
              for _ in 0..<count / 50 { _ = try await fixture.channel.unary(Kind.unary.method, [1, 2, 3]) }
            }
          }
          try await group.waitForAll()
        }
      }
      try await run(10_000)
      fixture.probe.ended = []
      fixture.probe.deadlines = []
      let before = residentKiB()
      try await run(40_000)
      #expect(fixture.probe.ended.count == 40_000)
      // Other tests run in this process too; a leak of 1 KiB a call would be 40 MiB.
      #expect(residentKiB() - before < 60 << 10)
    }
  }
}

/// Confined to its loop.
final class Counter: @unchecked Sendable { var value = 0 }
