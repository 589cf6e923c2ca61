import EventLoop
import GRPC
import Testing

/// Every kind of call with every way it can end, over real sockets.
@Suite(.timeLimit(.minutes(5))) struct MatrixTests {
  static let kinds = Kind.allCases

  @Test("a call ends with OK and all its messages", arguments: kinds)
  func ok(_ kind: Kind) async throws {
    try await withServer { fixture in
      let requests: [Bytes] = kind.takesOne ? [[1, 2, 3]] : [[1], [], [2, 3], Bytes(repeating: 4, count: 100_000)]
      let responses = try await fixture.channel.exchange(kind, requests)
      #expect(responses == (kind == .bidirectional ? requests : [requests.flatMap { $0 }]))
      #expect(fixture.probe.ended == [.ok])
    }
  }

  @Test("a call without content ends with OK and nothing", arguments: kinds)
  func empty(_ kind: Kind) async throws {
    try await withServer { fixture in
      let responses = try await fixture.channel.exchange(kind, kind.takesOne ? [[]] : [])
      #expect(responses == (kind == .unary || kind == .clientStream ? [[]] : []))
      #expect(fixture.probe.ended == [.ok])
    }
  }

  @Test("an error before any response arrives with its message and details", arguments: kinds)
  func notOK(_ kind: Kind) async throws {
    try await withServer { fixture in
      let error = await #expect(throws: RPCError.self) {
        try await fixture.channel.exchange(kind, [[1]], options: .behave("fail"))
      }
      #expect(error?.code == .failedPrecondition)
      #expect(error?.message == "not today: 100% \u{e9}\n")
      #expect(error?.details == [0, 1, 254, 255])
      #expect(fixture.probe.ended == [.failedPrecondition])
    }
  }

  @Test("an error after the responses arrives after them", arguments: kinds)
  func notOKLate(_ kind: Kind) async throws {
    try await withServer { fixture in
      let call = try await fixture.channel.call(kind.method, options: .behave("fail-late"))
      try await call.send([5, 6])
      call.finish()
      if kind == .serverStream || kind == .bidirectional { try await expectEqual(call.next(), [5, 6]) }
      let error = await #expect(throws: RPCError.self) { try await call.next() }
      #expect(error?.code == .dataLoss)
      #expect(error?.message == "after all")
      #expect(error?.details == [9])
    }
  }

  @Test("an unknown error becomes INTERNAL with a request id and nothing else", arguments: kinds)
  func crash(_ kind: Kind) async throws {
    try await withServer { fixture in
      let call = try await fixture.channel.call(kind.method, options: .behave("crash"))
      try await call.send([1])
      call.finish()
      let error = await #expect(throws: RPCError.self) { try await call.next() }
      #expect(error?.code == .internalError)
      let id = try #require(call.metadata["x-request-id"])
      #expect(error?.message == "internal error, request id \(id)")
    }
  }

  @Test(
    "metadata of a handler that cannot be sent ends the call with INTERNAL", arguments: kinds,
    ["unsendable-initial", "unsendable-trailing"])
  func unsendable(_ kind: Kind, _ behaviour: String) async throws {
    try await withServer { fixture in
      let call = try await fixture.channel.call(kind.method, options: .behave(behaviour))
      try await call.send([1])
      call.finish()
      let error = await #expect(throws: RPCError.self) { while try await call.next() != nil {} }
      #expect(error?.code == .internalError)
      #expect(error?.message.hasPrefix("internal error, request id ") == true)
      #expect(call.metadata.fields.map(\.name) == ["x-request-id"])
      #expect(fixture.probe.ended == [.internalError])
    }
  }

  @Test("metadata of a caller that cannot be sent fails the call before anything is sent", arguments: kinds)
  func unsendableRequest(_ kind: Kind) async throws {
    try await withServer { fixture in
      var options = CallOptions()
      options.metadata.append("x-key", "1\n2")
      let error = await #expect(throws: RPCError.self) {
        try await fixture.channel.exchange(kind, [[1]], options: options)
      }
      #expect(error?.code == .internalError)
      #expect(error?.message.contains("'x-key'") == true)
      #expect(fixture.probe.started == 0)
    }
  }

  @Test("a call whose metadata is over the limit is rejected before its handler", arguments: kinds)
  func rejected(_ kind: Kind) async throws {
    try await withServer { fixture in
      var options = CallOptions()
      options.metadata.append("large", String(repeating: "x", count: 20_000))
      let error = await #expect(throws: RPCError.self) {
        try await fixture.channel.exchange(kind, [[1]], options: options)
      }
      #expect(error?.code == .resourceExhausted)
      #expect(fixture.probe.started == 0)
      try await expectEqual(fixture.channel.exchange(kind, [[1]]), [[1]])
    }
  }

  @Test("an unknown method is UNIMPLEMENTED and names the path", arguments: kinds)
  func unimplemented(_ kind: Kind) async throws {
    try await withServer { fixture in
      let call = try await fixture.channel.call(Kind.method("No\(kind.rawValue)"))
      try await call.send([1])
      call.finish()
      let error = await #expect(throws: RPCError.self) { try await call.next() }
      #expect(error?.code == .unimplemented)
      #expect(error?.message.contains("/test.Service/No\(kind.rawValue)") == true)
    }
  }

  @Test("a deadline ends the call on both sides and cancels the handler", arguments: kinds)
  func deadline(_ kind: Kind) async throws {
    try await withServer { fixture in
      let error = await #expect(throws: RPCError.self) {
        try await fixture.channel.exchange(kind, [[1]], options: .behave("hang", timeout: .milliseconds(30)))
      }
      #expect(error?.code == .deadlineExceeded)
      try await eventually(on: fixture.loop) { fixture.probe.finished == 1 }
      #expect(fixture.probe.cancelled == 1)
      #expect(fixture.probe.deadlines.count == 1)
      #expect(fixture.probe.deadlines.first.flatMap { $0 } != nil)
    }
  }

  @Test("cancelling the caller's task cancels the handler", arguments: kinds)
  func cancelled(_ kind: Kind) async throws {
    try await withServer { fixture in
      let caller = Task.immediate(executorPreference: fixture.loop) {
        try await fixture.channel.exchange(kind, [[1]], options: .behave("hang"))
      }
      try await eventually(on: fixture.loop) { fixture.probe.started == 1 }
      caller.cancel()
      let error = await #expect(throws: RPCError.self) { try await caller.value }
      #expect(error?.code == .cancelled)
      try await eventually(on: fixture.loop) { fixture.probe.finished == 1 }
      #expect(fixture.probe.cancelled == 1)
      #expect(fixture.probe.ended == [.cancelled])
      try await expectEqual(fixture.channel.exchange(kind, [[1]]), [[1]])
    }
  }

  @Test("cancel() ends the call at once", arguments: kinds)
  func cancelMethod(_ kind: Kind) async throws {
    try await withServer { fixture in
      let call = try await fixture.channel.call(kind.method, options: .behave("hang"))
      try await call.send([1])
      if kind.takesOne { call.finish() }
      try await eventually(on: fixture.loop) { fixture.probe.started == 1 }
      call.cancel()
      let error = await #expect(throws: RPCError.self) { try await call.next() }
      #expect(error?.code == .cancelled)
      try await eventually(on: fixture.loop) { fixture.probe.cancelled == 1 }
      await #expect(throws: RPCError.self) { try await call.send([1]) }
    }
  }

  @Test("a lost connection ends its calls with UNAVAILABLE and cancels their handlers", arguments: kinds)
  func connectionLost(_ kind: Kind) async throws {
    try await withServer { fixture in
      let caller = Task.immediate(executorPreference: fixture.loop) {
        try await fixture.channel.exchange(kind, [[1]], options: .behave("hang"))
      }
      try await eventually(on: fixture.loop) { fixture.probe.started == 1 }
      fixture.channel.close()
      let error = await #expect(throws: RPCError.self) { try await caller.value }
      #expect(error?.code == .unavailable)
      try await eventually(on: fixture.loop) { fixture.probe.cancelled == 1 }
      // The channel connects anew.
      try await expectEqual(fixture.channel.exchange(kind, [[1]]), [[1]])
    }
  }

  @Test("a second message for a method that takes one is UNIMPLEMENTED", arguments: [Kind.unary, .serverStream])
  func tooMany(_ kind: Kind) async throws {
    try await withServer { fixture in
      let error = await #expect(throws: RPCError.self) { try await fixture.channel.exchange(kind, [[1], [2]]) }
      #expect(error?.code == .unimplemented)
    }
  }

  @Test("no message for a method that takes one is UNIMPLEMENTED", arguments: [Kind.unary, .serverStream])
  func tooFew(_ kind: Kind) async throws {
    try await withServer { fixture in
      let error = await #expect(throws: RPCError.self) { try await fixture.channel.exchange(kind, []) }
      #expect(error?.code == .unimplemented)
    }
  }
}
