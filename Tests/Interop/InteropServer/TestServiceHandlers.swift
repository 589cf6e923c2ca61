import GRPC
import InteropMessages

/// `grpc.testing.TestService` as doc/interop-test-descriptions.md of the repository grpc/grpc wants it.
struct TestServiceHandlers: Sendable {
  /// Requests of one call that are answered when all have come.
  private static let mostKept = 10_000

  func router() -> Router {
    let router = Router()
    router.unary(TestService.Methods.emptyCall.descriptor, emptyCall)
    router.unary(TestService.Methods.unaryCall.descriptor, unaryCall)
    router.unary(TestService.Methods.cacheableUnaryCall.descriptor, cacheableUnaryCall)
    router.serverStreaming(TestService.Methods.streamingOutputCall.descriptor, streamingOutputCall)
    router.clientStreaming(TestService.Methods.streamingInputCall.descriptor, streamingInputCall)
    router.bidirectional(TestService.Methods.fullDuplexCall.descriptor, fullDuplexCall)
    router.bidirectional(TestService.Methods.halfDuplexCall.descriptor, halfDuplexCall)
    return router
  }

  private func emptyCall(_ request: Empty, _ call: ServerCall) async throws -> Empty { Empty() }

  private func unaryCall(_ request: SimpleRequest, _ call: ServerCall) async throws -> SimpleResponse {
    Self.echoMetadata(call)
    try Self.expectCompressed(request.expectCompressed, call)
    call.compressesAnswer = request.responseCompressed?.value ?? false
    if let status = request.responseStatus { try Self.end(with: status) }
    return SimpleResponse(payload: try Self.payload(request.responseSize))
  }

  private func cacheableUnaryCall(_ request: SimpleRequest, _ call: ServerCall) async throws -> SimpleResponse {
    call.initialMetadata.append("cache-control", "max-age=60, public")
    // Another answer each time is all that a test of a cache looks at.
    return SimpleResponse(payload: Payload(body: Array("\(UInt64.random(in: .min ... .max))".utf8)))
  }

  private func streamingOutputCall(
    _ request: StreamingOutputCallRequest, _ responses: ResponseWriter<StreamingOutputCallResponse>, _ call: ServerCall
  ) async throws {
    try await answer(request, responses, call)
  }

  private func streamingInputCall(
    _ requests: RequestStream<StreamingInputCallRequest>, _ call: ServerCall
  ) async throws -> StreamingInputCallResponse {
    var size = 0
    for try await request in requests {
      try Self.expectCompressed(request.expectCompressed, call)
      size += request.payload?.body.count ?? 0
    }
    return StreamingInputCallResponse(aggregatedPayloadSize: Int32(clamping: size))
  }

  private func fullDuplexCall(
    _ requests: RequestStream<StreamingOutputCallRequest>, _ responses: ResponseWriter<StreamingOutputCallResponse>,
    _ call: ServerCall
  ) async throws {
    Self.echoMetadata(call)
    for try await request in requests { try await answer(request, responses, call) }
  }

  private func halfDuplexCall(
    _ requests: RequestStream<StreamingOutputCallRequest>, _ responses: ResponseWriter<StreamingOutputCallResponse>,
    _ call: ServerCall
  ) async throws {
    var all: [StreamingOutputCallRequest] = []
    for try await request in requests {
      guard all.count < Self.mostKept else { throw RPCError(.resourceExhausted, "more than \(Self.mostKept) requests") }
      // Their payloads only make them large.
      var kept = request
      kept.payload = nil
      all.append(kept)
    }
    for request in all { try await answer(request, responses, call) }
  }

  /// One response for each of the request's parameters, then its status if it names one.
  private func answer(
    _ request: StreamingOutputCallRequest, _ responses: ResponseWriter<StreamingOutputCallResponse>, _ call: ServerCall
  ) async throws {
    // The headers promise a coding, each message says whether it uses it.
    if request.responseParameters.contains(where: { $0.compressed?.value == true }) { call.compressesAnswer = true }
    for parameters in request.responseParameters {
      if parameters.intervalUs > 0 { try await call.loop.sleep(for: .microseconds(parameters.intervalUs)) }
      try await responses.write(
        StreamingOutputCallResponse(payload: try Self.payload(parameters.size)),
        compressed: parameters.compressed?.value ?? false)
    }
    if let status = request.responseStatus { try Self.end(with: status) }
  }

  private static func echoMetadata(_ call: ServerCall) {
    let (initial, trailing) = ("x-grpc-test-echo-initial", "x-grpc-test-echo-trailing-bin")
    for (name, value) in call.metadata.fields where name == initial { call.initialMetadata.append(name, value) }
    for (name, value) in call.metadata.fields where name == trailing { call.trailingMetadata.append(name, value) }
  }

  /// - Throws: INVALID_ARGUMENT when the latest request is not as the client says that it sent it.
  private static func expectCompressed(_ expected: BoolValue?, _ call: ServerCall) throws {
    guard let expected, expected.value != call.wasRequestCompressed else { return }
    throw RPCError(.invalidArgument, "the request was \(expected.value ? "not " : "")compressed")
  }

  /// - Throws: The status, unless it is OK.
  private static func end(with status: EchoStatus) throws {
    guard status.code != 0 else { return }
    throw RPCError(StatusCode(rawValue: Int(status.code)), status.message)
  }

  private static func payload(_ size: Int32) throws -> Payload {
    guard (0...64 << 20).contains(size) else { throw RPCError(.invalidArgument, "a response of \(size) bytes") }
    return Payload(zeros: Int(size))
  }
}
