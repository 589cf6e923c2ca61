import EventLoop
import GRPC
import TestSupport
import Testing

/// What the client makes of a server's answer, right or wrong; the frames are the test's.
@Suite(.timeLimit(.minutes(5))) struct AnswerTests {
  /// An answer and what a call of one request and one response ends with.
  struct Answer: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let code: StatusCode
    var message: String?
    let frames: @Sendable (UInt32) -> [Frame]

    init(
      _ name: String, _ code: StatusCode, message: String? = nil, _ frames: @escaping @Sendable (UInt32) -> [Frame]
    ) {
      testDescription = name
      self.code = code
      self.message = message
      self.frames = frames
    }
  }

  private static let headers = [(":status", "200"), ("content-type", "application/grpc")]
  private static let ok = [("grpc-status", "0")]

  /// Headers alone.
  private static func only(_ fields: [(String, String)]) -> @Sendable (UInt32) -> [Frame] {
    { [.headers($0, fields, end: true)] }
  }

  private static func status(_ fields: (String, String)...) -> @Sendable (UInt32) -> [Frame] {
    only(headers + fields)
  }

  /// Headers, data and trailers.
  private static func whole(
    _ data: [UInt8], headers extra: [(String, String)] = [], trailers: [(String, String)] = ok
  ) -> @Sendable (UInt32) -> [Frame] {
    { [.headers($0, headers + extra), .data($0, data), .headers($0, trailers, end: true)] }
  }

  private func call(
    _ frames: @escaping @Sendable (UInt32) -> [Frame], limit: Int = 1 << 20,
    _ body: @escaping @Sendable (ClientCall<Bytes, Bytes>) async throws -> Void
  ) async throws {
    try await withLoop { loop in
      let server = try ScriptedServer(
        on: loop,
        [
          { peer in
            peer.send(.settings())
            guard let stream = try await peer.request()?.stream else { return }
            for frame in frames(stream) { peer.send(frame) }
            // The connection stays open: what ends the call is the answer.
            while try await peer.frame() != nil {}
          }
        ])
      var configuration = ClientConfiguration()
      configuration.maxMessageSize = limit
      let channel = Channel(to: server.endpoint, on: loop, configuration: configuration)
      let result = await Task(executorPreference: loop) {
        try await body(
          channel.serverStreaming(Kind.unary.method, [5], options: CallOptions(timeout: .seconds(60))))
      }.result
      channel.close()
      server.stop()
      try result.get()
    }
  }

  private func expectFailure(_ answer: Answer) async throws {
    try await call(answer.frames) { call in
      do {
        let response = try await call.response()
        Issue.record("it ended well, with \(response)")
      } catch let error as RPCError {
        #expect(error.code == answer.code, "\(error)")
        if let message = answer.message { #expect(error.message == message) }
      }
    }
  }

  @Test(
    "an HTTP status without a grpc-status is mapped",
    arguments: [
      (400, StatusCode.internalError), (401, .unauthenticated), (403, .permissionDenied), (404, .unimplemented),
      (429, .unavailable), (500, .unknown), (502, .unavailable), (503, .unavailable), (504, .unavailable),
      (302, .unknown),
    ])
  func httpStatus(_ status: Int, _ code: StatusCode) async throws {
    let fields = [(":status", "\(status)"), ("content-type", "text/html")]
    try await expectFailure(Answer("headers alone", code, Self.only(fields)))
    try await expectFailure(
      Answer("with a body", code) { [.headers($0, fields), .data($0, Array("<html>".utf8), end: true)] })
  }

  @Test(
    "RST_STREAM is mapped by its code",
    arguments: [
      (UInt32(0), StatusCode.internalError), (1, .internalError), (2, .internalError), (3, .internalError),
      (4, .internalError),
      (6, .internalError), (8, .cancelled), (9, .internalError), (10, .internalError), (11, .resourceExhausted),
      (12, .permissionDenied), (13, .internalError), (0xffff, .internalError),
    ])
  func reset(_ code: UInt32, _ status: StatusCode) async throws {
    try await expectFailure(Answer("at once", status) { [.reset($0, code: code)] })
    try await expectFailure(
      Answer("behind a message", status) {
        [.headers($0, Self.headers), .data($0, grpcMessage([1])), .reset($0, code: code)]
      })
  }

  private static let wrongAnswers: [Answer] = [
    Answer(
      "a grpc-status beside an HTTP status", .notFound, message: "gone",
      Self.only([
        (":status", "503"), ("content-type", "application/grpc"), ("grpc-status", "5"), ("grpc-message", "gone"),
      ])),
    Answer("another content type", .unknown, Self.only([(":status", "200"), ("content-type", "text/html")])),
    Answer("no content type", .unknown, Self.only([(":status", "200")])),
    Answer("headers alone without a grpc-status", .unknown, Self.only(Self.headers)),
    Answer("trailers without a grpc-status", .unknown, Self.whole(grpcMessage([1]), trailers: [("x", "y")])),
    Answer("no trailers", .internalError) {
      [.headers($0, Self.headers), .data($0, grpcMessage([1]), end: true)]
    },
    Answer("a grpc-status that is no number", .unknown, Self.status(("grpc-status", "fine"))),
    Answer("an empty grpc-status", .unknown, Self.status(("grpc-status", ""))),
    Answer("a grpc-status that is not in the list", StatusCode(rawValue: 77), Self.status(("grpc-status", "77"))),
    Answer(
      "a message with escapes", .aborted, message: "ä%\n",
      Self.status(("grpc-status", "10"), ("grpc-message", "%C3%A4%25%0A"))
    ),
    Answer(
      "a message with bad escapes", .aborted, message: "100%, %zz %2",
      Self.status(("grpc-status", "10"), ("grpc-message", "100%, %zz %2"))),
    Answer(
      "a message that is not UTF-8", .aborted, message: "\u{fffd}",
      Self.status(("grpc-status", "10"), ("grpc-message", "%FF"))),
    Answer("OK without a message", .internalError, Self.whole([])),
    Answer("OK in the headers", .internalError, Self.status(("grpc-status", "0"))),
    Answer("two messages", .internalError, Self.whole(grpcMessage([1]) + grpcMessage([2]))),
    Answer("half a message", .internalError, Self.whole(Array(grpcMessage([1, 2, 3]).dropLast()))),
    Answer("half a prefix", .internalError, Self.whole([0, 0, 0])),
    Answer("a message and a status", .dataLoss, Self.whole(grpcMessage([1]), trailers: [("grpc-status", "15")])),
    Answer("unknown flags", .internalError, Self.whole([2, 0, 0, 0, 1, 7])),
    Answer("compressed without a coding", .internalError, Self.whole([1, 0, 0, 0, 1, 7])),
    Answer(
      "compressed with identity", .internalError,
      Self.whole([1, 0, 0, 0, 1, 7], headers: [("grpc-encoding", "identity")])),
    Answer(
      "not in its coding", .internalError, Self.whole([1, 0, 0, 0, 1, 7], headers: [("grpc-encoding", "gzip")])),
    Answer("an unknown coding", .internalError, Self.whole(grpcMessage([1]), headers: [("grpc-encoding", "snappy")])),
    Answer("a length that no message has", .resourceExhausted, Self.whole([0, 255, 255, 255, 255, 7])),
    Answer(
      "headers over the limit", .resourceExhausted,
      Self.whole(
        grpcMessage([1]), headers: (0..<3).map { ("x-\($0)", String(repeating: "y", count: 6_000)) })),
    // It ends the connection.
    Answer("data before headers", .unavailable) { [.data($0, grpcMessage([1])), .reset($0, code: 2)] },
    Answer("headers again", .internalError) {
      [.headers($0, Self.headers), .headers($0, Self.headers), .reset($0, code: 2)]
    },
  ]

  @Test("an answer that is wrong, or says so, ends the call with a status", arguments: wrongAnswers)
  func wrong(_ answer: Answer) async throws {
    try await expectFailure(answer)
  }

  @Test("a message over the client's limit is RESOURCE_EXHAUSTED from its prefix on")
  func large() async throws {
    for (size, isTaken) in [(100, true), (101, false)] {
      let message = Bytes(repeating: 7, count: size)
      try await call(Self.whole(grpcMessage(message)), limit: 100) { call in
        do {
          try await expectEqual(call.response(), message)
          #expect(isTaken)
        } catch let error as RPCError {
          #expect(!isTaken)
          #expect(error.code == .resourceExhausted)
        }
      }
    }
  }

  @Test("informational headers are skipped, and leave nothing behind")
  func informational() async throws {
    let frames: @Sendable (UInt32) -> [Frame] = { stream in
      [
        .headers(stream, [(":status", "103"), ("link", "x"), ("grpc-status", "13"), ("grpc-encoding", "gzip")]),
        .headers(stream, [(":status", "100")]),
      ] + Self.whole(grpcMessage([9]), headers: [("x-one", "1")])(stream)
    }
    try await call(frames) { call in
      try await expectEqual(call.response(), [9])
      #expect(call.initialMetadata["link"] == nil)
      #expect(call.initialMetadata["x-one"] == "1")
    }
  }

  @Test("details and metadata come with headers alone, and with trailers", arguments: [false, true])
  func details(_ hasHeaders: Bool) async throws {
    let trailers = [("grpc-status", "9"), ("grpc-status-details-bin", "AQID"), ("x-why", "so")]
    let frames =
      hasHeaders ? Self.whole([], headers: [("x-first", "1")], trailers: trailers) : Self.only(Self.headers + trailers)
    try await call(frames) { call in
      do {
        _ = try await call.response()
        Issue.record("it ended well")
      } catch let error as RPCError {
        #expect(error.code == .failedPrecondition)
        #expect(error.details == [1, 2, 3])
      }
      #expect(call.trailingMetadata["x-why"] == "so")
      #expect(call.initialMetadata["x-first"] == (hasHeaders ? "1" : nil))
    }
  }

  @Test("unknown fields, an empty message and a message in many frames are no mistakes")
  func unusual() async throws {
    try await call(Self.whole(grpcMessage([]), headers: [("date", "today"), ("server", "x")])) { call in
      try await expectEqual(call.response(), [])
    }
    let pieces: @Sendable (UInt32) -> [Frame] = { stream in
      let bytes = grpcMessage([1, 2, 3])
      return [.headers(stream, Self.headers)] + bytes.map { .data(stream, [$0]) } + [
        .data(stream, []), .headers(stream, Self.ok, end: true),
      ]
    }
    try await call(pieces) { call in try await expectEqual(call.response(), [1, 2, 3]) }
  }
}
