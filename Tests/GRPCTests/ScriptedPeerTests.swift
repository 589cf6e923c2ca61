import EventLoop
import GRPC
import HTTP2
import Testing

/// The server against a client that writes its own frames.
@Suite(.timeLimit(.minutes(5))) struct ScriptedPeerTests {
  private func withPeer(
    settings: KeyValuePairs<UInt16, UInt32>? = [:], configuration: ServerConfiguration = .init(),
    _ body: @escaping @Sendable (ScriptedPeer, Fixture) async throws -> Void
  ) async throws {
    try await withServer(configuration: configuration) { fixture in
      let peer = try await ScriptedPeer(to: fixture.server.address, on: fixture.loop, settings: settings)
      try await body(peer, fixture)
      peer.close()
    }
  }

  private static let calm: UInt32 = 11
  private static let cancel: UInt32 = 8
  private static let initialWindow: UInt16 = 4

  @Test("a unary call is answered with headers, data and trailers")
  func unary() async throws {
    try await withPeer { peer, _ in
      peer.send(.call(1, "Unary"), .data(1, grpcMessage([1, 2, 3]), end: true))
      let answer = try await peer.answer(on: 1)
      #expect(answer.headers[":status"] == "200")
      #expect(answer.headers["content-type"] == "application/grpc")
      #expect(answer.body == grpcMessage([1, 2, 3]))
      #expect(answer.status == "0")
      #expect(answer.resetCode == nil)
    }
  }

  @Test("the server's settings come first, and ours are acknowledged")
  func settings() async throws {
    try await withPeer { peer, _ in
      let first = try await peer.anyFrame()
      #expect(first?.kind == .settings)
      #expect(first?.flags == 0)
      while let frame = try await peer.anyFrame() {
        if frame.kind == .settings, frame.flags == Frame.acknowledged { return }
      }
      Issue.record("closed without an acknowledgement")
    }
  }

  @Test("a message is understood wherever its DATA frames are cut")
  func everyCut() async throws {
    try await withPeer { peer, _ in
      let bytes = grpcMessage([10, 20, 30, 40])
      for cut in 0...bytes.count {
        let stream = UInt32(cut * 2 + 1)
        peer.send(
          .call(stream, "Unary"), .data(stream, Array(bytes[..<cut])), .data(stream, Array(bytes[cut...]), end: true))
        let answer = try await peer.answer(on: stream)
        #expect(answer.body == bytes)
        #expect(answer.status == "0")
      }
    }
  }

  @Test("frames are understood when they arrive byte by byte")
  func byteByByte() async throws {
    try await withPeer(settings: nil) { peer, fixture in
      let frames = [Frame.settings(), .call(1, "Unary"), .data(1, grpcMessage([5]), end: true)]
      for byte in Frame.preface + frames.flatMap(\.bytes) {
        peer.send(bytes: [byte])
        await Task.yield()
      }
      try await expectEqual(peer.answer(on: 1).body, grpcMessage([5]))
    }
  }

  @Test("an empty DATA frame with END_STREAM ends a request")
  func emptyEnd() async throws {
    try await withPeer { peer, _ in
      peer.send(.call(1, "Unary"), .data(1, grpcMessage([5])), .data(1, [], end: true))
      try await expectEqual(peer.answer(on: 1).status, "0")
    }
  }

  @Test("trailers end a request, and mean nothing")
  func requestTrailers() async throws {
    try await withPeer { peer, fixture in
      peer.send(.call(1, "Unary"), .data(1, grpcMessage([5])), .headers(1, [("behave", "fail")], end: true))
      let answer = try await peer.answer(on: 1)
      #expect(answer.status == "0")
      #expect(fixture.probe.metadata.isEmpty)
      #expect(fixture.probe.started == 1)
    }
  }

  @Test("a message that the stream's end cuts off is INTERNAL")
  func truncated() async throws {
    try await withPeer { peer, fixture in
      peer.send(.call(1, "Unary"), .data(1, [0, 0, 0, 0, 9, 1], end: true))
      let answer = try await peer.answer(on: 1)
      #expect(answer.status == "13")
      #expect(answer.body.isEmpty)
      #expect(fixture.probe.started == 0)
    }
  }

  @Test("a PING is answered with its payload")
  func ping() async throws {
    try await withPeer { peer, _ in
      peer.send(.ping([1, 2, 3, 4, 5, 6, 7, 8]))
      let frame = try await peer.frame()
      #expect(frame == Frame(kind: .ping, flags: Frame.acknowledged, payload: [1, 2, 3, 4, 5, 6, 7, 8]))
    }
  }

  @Test("a window update releases a blocked response")
  func windowUpdateReleases() async throws {
    try await withPeer(settings: [Self.initialWindow: 0]) { peer, fixture in
      peer.send(.call(1, "Unary"), .data(1, grpcMessage([1, 2, 3]), end: true))
      let headers = try await peer.frame()
      #expect(headers?.kind == .headers)
      // The handler is done, and nothing but the window keeps the answer back.
      try await eventually(on: fixture.loop) { fixture.probe.finished == 1 }
      peer.send(.ping([0, 0, 0, 0, 0, 0, 0, 0]))
      try await expectEqual(peer.frame()?.kind, .ping)
      peer.send(.windowUpdate(1, by: 3))
      let first = try await peer.frame()
      #expect(first?.payload == [0, 0, 0])
      #expect(first?.endsStream == false)
      peer.send(.windowUpdate(1, by: 100))
      let rest = try await peer.answer(on: 1)
      #expect(rest.body == [0, 3, 1, 2, 3])
    }
  }

  @Test("a peer that opens no window suspends the handler, and costs no more memory")
  func zeroWindow() async throws {
    try await withPeer(settings: [Self.initialWindow: 0]) { peer, fixture in
      peer.send(.call(1, "ServerStream", extra: [("behave", "flood")]), .data(1, grpcMessage([1]), end: true))
      try await eventually(on: fixture.loop) { fixture.probe.written > 0 }
      var before = 0
      try await eventually(on: fixture.loop) {
        defer { before = fixture.probe.written }
        return fixture.probe.written == before
      }
      let limit = HTTP2Configuration().outputHighWater
      #expect(fixture.probe.written <= limit + 16 << 10)
      // It goes on as far as the window lets it, and stops again.
      peer.send(.windowUpdate(1, by: 65_535), .windowUpdate(0, by: 1 << 20))
      try await eventually(on: fixture.loop) { fixture.probe.written > before }
      #expect(fixture.probe.written <= limit + (16 << 10) + 65_535)
      #expect(fixture.probe.finished == 0)
      peer.send(.reset(1, code: Self.cancel))
      try await eventually(on: fixture.loop) { fixture.probe.finished == 1 }
      #expect(fixture.probe.cancelled == 1)
    }
  }

  @Test("a deadline resets a stream whose peer takes nothing, even when its handler is done")
  func stuckDeadline() async throws {
    try await withPeer(settings: [Self.initialWindow: 0]) { peer, fixture in
      peer.send(.call(1, "Unary", extra: [("grpc-timeout", "20m")]), .data(1, grpcMessage([1]), end: true))
      let answer = try await peer.answer(on: 1)
      #expect(answer.resetCode == Self.cancel)
      #expect(fixture.probe.finished == 1)
      #expect(fixture.probe.ended == [.ok])
    }
  }

  @Test("RST_STREAM cancels the handler, and the connection goes on")
  func resetCancels() async throws {
    try await withPeer { peer, fixture in
      peer.send(.call(1, "Unary", extra: [("behave", "hang")]), .data(1, grpcMessage([1]), end: true))
      try await eventually(on: fixture.loop) { fixture.probe.started == 1 }
      peer.send(.reset(1, code: Self.cancel))
      try await eventually(on: fixture.loop) { fixture.probe.cancelled == 1 }
      #expect(fixture.probe.ended == [.cancelled])
      peer.send(.call(3, "Unary"), .data(3, grpcMessage([1]), end: true))
      try await expectEqual(peer.answer(on: 3).status, "0")
    }
  }

  @Test("RST_STREAM in the middle of a request leaves nothing behind")
  func resetWithinRequest() async throws {
    try await withPeer { peer, fixture in
      peer.send(.call(1, "Unary"), .data(1, [0, 0, 0]), .reset(1, code: Self.cancel))
      peer.send(.call(3, "Unary"), .data(3, grpcMessage([1]), end: true))
      try await expectEqual(peer.answer(on: 3).status, "0")
      #expect(fixture.probe.started == 1)
      #expect(fixture.probe.ended == [.cancelled, .ok])
    }
  }

  @Test("an honest client may cancel 3,000 calls on one connection")
  func manyResets() async throws {
    try await withPeer { peer, fixture in
      for number in 0..<3_000 {
        let stream = UInt32(number * 2 + 1)
        peer.send(
          .call(stream, "Unary", extra: [("behave", "hang")]), .data(stream, grpcMessage([1]), end: true),
          .reset(stream, code: Self.cancel))
      }
      peer.send(.call(6_001, "Unary"), .data(6_001, grpcMessage([1]), end: true))
      try await expectEqual(peer.answer(on: 6_001).status, "0")
      try await eventually(on: fixture.loop) { fixture.probe.ended.count == 3_001 }
      #expect(fixture.probe.ended.count { $0 == .cancelled } == 3_000)
      // Those that were gone before their handlers could begin have had none.
      try await eventually(on: fixture.loop) { fixture.probe.finished == fixture.probe.started }
      #expect(fixture.probe.cancelled == fixture.probe.started - 1)
    }
  }

  @Test("an answer before the request has ended is followed by RST_STREAM without an error")
  func earlyAnswer() async throws {
    try await withPeer { peer, _ in
      peer.send(.call(1, "ClientStream", extra: [("behave", "fail")]))
      try await expectEqual(peer.answer(on: 1).status, "9")
      let reset = try await peer.frame()
      #expect(reset?.kind == .reset)
      #expect(reset?.number(at: 0) == 0)
      // What was on its way is ignored.
      peer.send(.data(1, grpcMessage([1])))
      peer.send(.call(3, "Unary"), .data(3, grpcMessage([1]), end: true))
      try await expectEqual(peer.answer(on: 3).status, "0")
    }
  }

  @Test("a message over the limit is RESOURCE_EXHAUSTED from its prefix on, and the connection goes on")
  func messageTooLarge() async throws {
    var configuration = ServerConfiguration()
    configuration.maxMessageSize = 1000
    try await withPeer(configuration: configuration) { peer, _ in
      peer.send(.call(1, "Unary"), .data(1, [0, 0, 0, 3, 233]))
      try await expectEqual(peer.answer(on: 1).status, "8")
      peer.send(.call(3, "Unary"), .data(3, grpcMessage([1]), end: true))
      try await expectEqual(peer.answer(on: 3).status, "0")
    }
  }

  @Test("a header list over the limit is RESOURCE_EXHAUSTED, and the connection goes on")
  func headerListTooLarge() async throws {
    try await withPeer { peer, fixture in
      let large = String(repeating: "x", count: 5_000)
      let extra = (0..<3).map { ("x-\($0)", large) } + [("x-last", large)]
      // The list is split: a frame holds 16 KiB at most.
      let whole = Frame.call(1, "Unary", extra: extra)
      var first = whole
      first.payload = Array(whole.payload[..<10_000])
      first.flags = 0
      let rest = Frame(
        kind: .continuation, flags: Frame.endHeaders, stream: 1, payload: Array(whole.payload[10_000...]))
      peer.send(first, rest)
      try await expectEqual(peer.answer(on: 1).status, "8")
      #expect(fixture.probe.started == 0)
      peer.send(.call(3, "Unary"), .data(3, grpcMessage([1]), end: true))
      try await expectEqual(peer.answer(on: 3).status, "0")
    }
  }

  @Test(
    "credit is given back as a handler reads, and not before: a sender cannot pile up messages, not even empty ones")
  func inboundBackpressure() async throws {
    try await withPeer { peer, fixture in
      peer.send(.call(1, "ClientStream", extra: [("behave", "hang")]))
      let chunk = Bytes(repeating: 0, count: 16_000)  // 3,200 empty messages
      for _ in 0..<16 { peer.send(.data(1, chunk)) }
      peer.send(.ping([9, 9, 9, 9, 9, 9, 9, 9]))
      var credit = 0
      while let frame = try await peer.anyFrame(), frame.kind != .ping {
        if frame.kind == .windowUpdate, frame.stream == 1 { credit += Int(frame.number(at: 0) ?? 0) }
      }
      #expect(credit <= 32_000)
    }
  }

  @Test("a peer that does not keep to the window is cut off")
  func overrunsWindow() async throws {
    var configuration = ServerConfiguration()
    configuration.http2.streamWindow = 1000
    configuration.inboundHighWater = 0
    try await withPeer(configuration: configuration) { peer, _ in
      peer.send(.call(1, "ClientStream", extra: [("behave", "hang")]))
      // Wait until our side has acknowledged the server's settings, from when on its window counts.
      peer.send(.ping([0, 0, 0, 0, 0, 0, 0, 0]))
      try await expectEqual(peer.frame()?.kind, .ping)
      peer.send(.data(1, grpcMessage(Bytes(repeating: 1, count: 4_000))))
      var kinds: [Frame.Kind] = []
      while let frame = try await peer.frame() {
        kinds.append(frame.kind)
        if frame.kind == .reset || frame.kind == .goAway { break }
      }
      #expect(kinds.contains(.reset) || kinds.contains(.goAway))
    }
  }

  @Test("a garbage preface closes the connection")
  func garbage() async throws {
    try await withPeer(settings: nil) { peer, fixture in
      peer.send(bytes: Array("GET / HTTP/1.1\r\nHost: test\r\n\r\n".utf8))
      while try await peer.anyFrame() != nil {}
      try await expectEqual(fixture.channel.exchange(.unary, [[1]]), [[1]])
    }
  }

  @Test("a frame that breaks the protocol ends the connection with GOAWAY, and its handlers")
  func protocolError() async throws {
    try await withPeer { peer, fixture in
      peer.send(.call(1, "Unary", extra: [("behave", "hang")]), .data(1, grpcMessage([1]), end: true))
      try await eventually(on: fixture.loop) { fixture.probe.started == 1 }
      peer.send(Frame(kind: .ping, payload: [1]))
      var kinds: [Frame.Kind] = []
      while let frame = try await peer.frame() { kinds.append(frame.kind) }
      #expect(kinds.contains(.goAway))
      try await eventually(on: fixture.loop) { fixture.probe.cancelled == 1 }
    }
  }

  @Test("a peer that closes its connection cancels its handlers")
  func peerCloses() async throws {
    try await withServer { fixture in
      var peer: ScriptedPeer? = try await ScriptedPeer(to: fixture.server.address, on: fixture.loop)
      peer?.send(.call(1, "Unary", extra: [("behave", "hang")]), .data(1, grpcMessage([1]), end: true))
      try await eventually(on: fixture.loop) { fixture.probe.started == 1 }
      peer = nil
      try await eventually(on: fixture.loop) { fixture.probe.cancelled == 1 }
    }
  }

  @Test("streams over the limit are refused, and there is room again when another one has ended")
  func tooManyStreams() async throws {
    var configuration = ServerConfiguration()
    configuration.http2.maxConcurrentStreams = 2
    try await withPeer(configuration: configuration) { peer, fixture in
      for stream in [1, 3, 5] as [UInt32] { peer.send(.call(stream, "ClientStream")) }
      let refused = try await peer.frame()
      #expect(refused?.kind == .reset)
      #expect(refused?.stream == 5)
      #expect(refused?.number(at: 0) == 7)
      peer.send(.data(1, grpcMessage([1]), end: true))
      try await expectEqual(peer.answer(on: 1).status, "0")
      peer.send(.call(7, "ClientStream"), .call(9, "ClientStream"))
      try await expectEqual(peer.frame()?.stream, 9)
      peer.send(.data(7, grpcMessage([1]), end: true))
      try await expectEqual(peer.answer(on: 7).status, "0")
    }
  }

  @Test("wrong method 405, wrong content type 415, unknown encoding UNIMPLEMENTED, bad timeout INTERNAL")
  func refusals() async throws {
    try await withPeer { peer, fixture in
      let base = [(":scheme", "http"), (":path", "/test.Service/Unary"), (":authority", "test")]
      peer.send(.headers(1, [(":method", "GET")] + base + [("content-type", "application/grpc")], end: true))
      try await expectEqual(peer.answer(on: 1).headers[":status"], "405")
      peer.send(.headers(3, [(":method", "POST")] + base + [("content-type", "application/json")], end: true))
      try await expectEqual(peer.answer(on: 3).headers[":status"], "415")
      peer.send(.headers(5, [(":method", "POST")] + base, end: true))
      try await expectEqual(peer.answer(on: 5).headers[":status"], "415")
      peer.send(.headers(7, [(":method", "POST")] + base + [("content-type", "application/grpcx")], end: true))
      try await expectEqual(peer.answer(on: 7).headers[":status"], "415")
      peer.send(.call(9, "Unary", extra: [("grpc-encoding", "snappy")], end: true))
      try await expectEqual(peer.answer(on: 9).status, "12")
      peer.send(.call(11, "Unary", extra: [("grpc-timeout", "1x")], end: true))
      try await expectEqual(peer.answer(on: 11).status, "13")
      peer.send(.call(13, "Unary", extra: [("grpc-encoding", "identity")]), .data(13, grpcMessage([1]), end: true))
      try await expectEqual(peer.answer(on: 13).status, "0")
      #expect(fixture.probe.started == 1)
    }
  }

  @Test("the caller's request id comes back with an error, unless it could not stand in a log line")
  func requestID() async throws {
    try await withPeer { peer, _ in
      peer.send(.call(1, "Unary", extra: [("x-request-id", "abc-1"), ("behave", "fail")]))
      peer.send(.data(1, grpcMessage([1]), end: true))
      try await expectEqual(peer.answer(on: 1).headers["x-request-id"], "abc-1")
      peer.send(.call(3, "Unary", extra: [("x-request-id", "a b"), ("behave", "fail")]))
      peer.send(.data(3, grpcMessage([1]), end: true))
      let made = try await peer.answer(on: 3).headers["x-request-id"]
      #expect(made != nil && made != "a b")
    }
  }
}
