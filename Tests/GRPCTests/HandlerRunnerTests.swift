import EventLoop
import GRPC
import Testing

/// Calls that arrive together, whose handlers share a task as long as none of them waits.
@Suite(.timeLimit(.minutes(5))) struct HandlerRunnerTests {
  private static let cancel: UInt32 = 8

  private func withPeer(_ body: @escaping @Sendable (ScriptedPeer, Fixture) async throws -> Void) async throws {
    try await withServer { fixture in
      let peer = try await ScriptedPeer(to: fixture.server.address, on: fixture.loop)
      try await body(peer, fixture)
      peer.close()
    }
  }

  @Test("handlers that wait hold up none of those that came with them, and are cancelled one by one")
  func handlersOfOneTurn() async throws {
    try await withPeer { peer, fixture in
      let frames = [1, 3, 5, 7].flatMap { (stream: UInt32) -> [Frame] in
        let behaviour = stream % 4 == 1 ? [("behave", "hang")] : []
        return [.call(stream, "Unary", extra: behaviour), .data(stream, grpcMessage([1]), end: true)]
      }
      peer.send(bytes: frames.flatMap(\.bytes))
      try await eventually(on: fixture.loop) { fixture.probe.ended == [.ok, .ok] }
      #expect(fixture.probe.started == 4)
      peer.send(.reset(1, code: Self.cancel))
      try await eventually(on: fixture.loop) { fixture.probe.finished == 3 }
      peer.send(.call(9, "Unary"), .data(9, grpcMessage([1]), end: true))
      try await eventually(on: fixture.loop) { fixture.probe.ended == [.ok, .ok, .cancelled, .ok] }
      #expect(fixture.probe.cancelled == 1)
      peer.send(.reset(5, code: Self.cancel))
      try await eventually(on: fixture.loop) { fixture.probe.cancelled == 2 }
    }
  }

  @Test("a call that is taken back with the bytes that made it never reaches its handler")
  func takenBack() async throws {
    try await withPeer { peer, fixture in
      let frames: [Frame] = [
        .call(1, "Unary"), .data(1, grpcMessage([1]), end: true), .reset(1, code: Self.cancel), .call(3, "Unary"),
        .data(3, grpcMessage([1]), end: true),
      ]
      peer.send(bytes: frames.flatMap(\.bytes))
      try await expectEqual(peer.answer(on: 3).status, "0")
      #expect(fixture.probe.started == 1)
      #expect(fixture.probe.ended == [.cancelled, .ok])
    }
  }
}
