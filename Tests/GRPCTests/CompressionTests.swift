import Testing

@testable import GRPC

@Suite struct MessageCodecTests {
  private let codec = MessageCodec()

  private func compress(_ bytes: Bytes, _ encoding: MessageEncoding) throws -> Bytes {
    try bytes.withUnsafeBytes { try codec.compress($0, encoding) }
  }

  private func open(_ bytes: Bytes, _ encoding: MessageEncoding?, limit: Int = 1 << 20) throws -> Bytes {
    try codec.open(WireMessage(bytes: bytes, isCompressed: true), encoding, limit: limit)
  }

  @Test("messages of any size come back", arguments: MessageEncoding.allCases)
  func roundTrip(_ encoding: MessageEncoding) throws {
    for count in [0, 1, 100, 32 << 10, 32 << 10 + 1, 1 << 20] {
      let message = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* $0 >> 3) }
      let compressed = try compress(message, encoding)
      #expect(try open(compressed, encoding) == message)
    }
  }

  @Test("a message may become as large as the limit, and not a byte larger", arguments: MessageEncoding.allCases)
  func limit(_ encoding: MessageEncoding) throws {
    let bomb = try compress(Bytes(repeating: 0, count: 1 << 20), encoding)
    #expect(try open(bomb, encoding, limit: 1 << 20).count == 1 << 20)
    let error = #expect(throws: RPCError.self) { try open(bomb, encoding, limit: 1 << 20 - 1) }
    #expect(error?.code == .resourceExhausted)
    // And the codec works on.
    #expect(try open(compress([1, 2], encoding), encoding) == [1, 2])
  }

  @Test("what is cut off, or something else, is INTERNAL", arguments: MessageEncoding.allCases)
  func broken(_ encoding: MessageEncoding) throws {
    let good = try compress(Array("hello, hello, hello".utf8), encoding)
    for count in 0..<good.count {
      let error = #expect(throws: RPCError.self) { try open(Bytes(good[..<count]), encoding) }
      #expect(error?.code == .internalError)
    }
    for junk in [[1, 2, 3], good.reversed(), good + [0]] as [Bytes] {
      let error = #expect(throws: RPCError.self) { try open(junk, encoding) }
      #expect(error?.code == .internalError)
    }
  }

  @Test("random changes never do more than fail")
  func fuzz() throws {
    let good = try compress((0..<2000).map { UInt8(truncatingIfNeeded: $0 / 3) }, .gzip)
    for _ in 0..<3000 {
      var bytes = good
      for _ in 0..<Int.random(in: 1...4) { bytes[bytes.indices.randomElement() ?? 0] = .random(in: 0...255) }
      do { _ = try open(bytes, .gzip, limit: 4000) } catch let error as RPCError {
        #expect(error.code == .internalError || error.code == .resourceExhausted)
      }
    }
  }

  @Test("several members of gzip are one message")
  func members() throws {
    #expect(try open(compress([1, 2], .gzip) + compress([3], .gzip), .gzip) == [1, 2, 3])
  }

  @Test(
    "the coding that a peer takes is found in its list",
    arguments: [
      ("gzip", MessageEncoding.gzip), ("identity,deflate,gzip", .gzip), ("identity, deflate", .deflate),
      (" gzip ,x", .gzip), ("identity", nil), ("", nil), ("xgzip,,", nil),
    ])
  func preferred(_ list: String, _ encoding: MessageEncoding?) {
    #expect(Array(list.utf8).withUnsafeBytes { MessageEncoding.preferred(in: $0) } == encoding)
  }
}

/// Compression and metadata of the server, frame by frame.
@Suite(.timeLimit(.minutes(5))) struct ServerAnswerTests {
  private static let text = Bytes("a text that repeats, a text that repeats, a text that repeats".utf8)

  private func compressed(_ bytes: Bytes) throws -> Bytes {
    let body = try bytes.withUnsafeBytes { try MessageCodec().compress($0, .gzip) }
    return [1] + grpcMessage(body).dropFirst()
  }

  private func withPeer(
    configuration: ServerConfiguration = .init(),
    _ body: @escaping @Sendable (ScriptedPeer, Fixture) async throws -> Void
  ) async throws {
    try await withServer(configuration: configuration) { fixture in
      let peer = try await ScriptedPeer(to: fixture.server.address, on: fixture.loop)
      try await body(peer, fixture)
      peer.close()
    }
  }

  @Test("a compressed request is understood, and so is a plain one of the same call")
  func compressedRequest() async throws {
    try await withPeer { peer, _ in
      peer.send(.call(1, "ClientStream", extra: [("grpc-encoding", "gzip")]))
      peer.send(.data(1, try compressed([1, 2])), .data(1, grpcMessage([3]), end: true))
      let answer = try await peer.answer(on: 1)
      #expect(answer.body == grpcMessage([1, 2, 3]))
      #expect(answer.headers["grpc-encoding"] == nil)
      #expect(answer.headers["grpc-accept-encoding"] == "gzip,deflate,identity")
    }
  }

  @Test("an unknown coding is UNIMPLEMENTED, and the answer lists what is known")
  func unknown() async throws {
    try await withPeer { peer, _ in
      peer.send(.call(1, "Unary", extra: [("grpc-encoding", "br")], end: true))
      let answer = try await peer.answer(on: 1)
      #expect(answer.status == "12")
      #expect(answer.headers["grpc-accept-encoding"] == "gzip,deflate,identity")
    }
  }

  @Test("the Compressed-Flag in a call without a coding is INTERNAL", arguments: [[], [("grpc-encoding", "identity")]])
  func flagWithoutCoding(_ extra: [(String, String)]) async throws {
    try await withPeer { peer, _ in
      peer.send(.call(1, "Unary", extra: extra), .data(1, try compressed([1]), end: true))
      try await expectEqual(peer.answer(on: 1).status, "13")
    }
  }

  @Test("a bomb is RESOURCE_EXHAUSTED, in every kind of call", arguments: ["Unary", "ClientStream"])
  func bomb(_ method: String) async throws {
    var configuration = ServerConfiguration()
    configuration.maxMessageSize = 10_000
    try await withPeer(configuration: configuration) { peer, _ in
      let bomb = try compressed(Bytes(repeating: 0, count: 1_000_000))
      #expect(bomb.count < 10_000)
      peer.send(.call(1, method, extra: [("grpc-encoding", "gzip")]), .data(1, bomb, end: true))
      try await expectEqual(peer.answer(on: 1).status, "8")
    }
  }

  @Test("large answers are compressed when the server's configuration says so and the caller takes it")
  func byConfiguration() async throws {
    var configuration = ServerConfiguration()
    configuration.compressesAnswers = true
    configuration.compressionThreshold = 20
    try await withPeer(configuration: configuration) { peer, _ in
      let accepts = [("grpc-accept-encoding", "identity,gzip")]
      peer.send(.call(1, "Unary", extra: accepts), .data(1, grpcMessage(Self.text), end: true))
      let large = try await peer.answer(on: 1)
      #expect(large.headers["grpc-encoding"] == "gzip")
      #expect(large.body == (try compressed(Self.text)))
      peer.send(.call(3, "Unary", extra: accepts), .data(3, grpcMessage([1, 2]), end: true))
      try await expectEqual(peer.answer(on: 3).body, grpcMessage([1, 2]))
      peer.send(.call(5, "Unary"), .data(5, grpcMessage(Self.text), end: true))
      let plain = try await peer.answer(on: 5)
      #expect(plain.headers["grpc-encoding"] == nil)
      #expect(plain.body == grpcMessage(Self.text))
    }
  }

  @Test("a handler's metadata stands in the headers and in the trailers, also of an error")
  func metadata() async throws {
    try await withPeer { peer, _ in
      for (stream, behave) in [(1, "metadata"), (3, "metadata-fail")] as [(UInt32, String)] {
        peer.send(.call(stream, "Unary", extra: [("behave", behave)]), .data(stream, grpcMessage([1]), end: true))
        let headers = try await peer.fields()
        #expect(headers["x-initial"] == "1")
        #expect(headers["grpc-status"] == nil)
        if stream == 1 { try await expectEqual(peer.frame()?.kind, .data) }
        let trailers = try await peer.fields()
        #expect(trailers["x-trailing-bin"] == "AAE")
        #expect(trailers["grpc-status"] == (stream == 1 ? "0" : "10"))
      }
    }
  }
}

@Suite struct BinaryMetadataTests {
  @Test("values that are repeated or joined by commas are all found, with padding or without")
  func joined() {
    var metadata = Metadata()
    metadata.append("x-bin", "AA==,AQ, Ag==")
    metadata.append("y-bin", "!")
    metadata.append("x-bin", bytes: [3, 4])
    metadata.append("x-bin", "")
    #expect(metadata.allBytes("x-bin") == [[0], [1], [2], [3, 4], []])
    #expect(metadata.bytes("x-bin") == [0])
    #expect(metadata.allBytes("y-bin") == [])
  }
}
