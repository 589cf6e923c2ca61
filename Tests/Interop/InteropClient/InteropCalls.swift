import EventLoop
import GRPC
import InteropMessages

/// What the cases do, each in the order of the description. Confined to the channel's loop.
struct InteropCalls: Sendable {
  let channel: Channel
  /// Of that channel, and of others that a case makes.
  var configuration = ClientConfiguration()
  /// What every call has: the metadata of the command line.
  var options = CallOptions()

  static let requestSizes = [27182, 8, 1828, 45904]
  static let responseSizes: [Int32] = [31415, 9, 2653, 58979]
  static let largeRequest = Payload(zeros: 271_828)
  static let largeResponse: Int32 = 314_159

  func emptyUnary() async throws {
    _ = try await channel.unary(TestService.Methods.emptyCall.descriptor, Empty(), options: options)
  }

  func largeUnary() async throws {
    let request = SimpleRequest(responseSize: Self.largeResponse, payload: Self.largeRequest)
    let response = try await channel.unary(TestService.Methods.unaryCall.descriptor, request, options: options)
    try expect(response.payload, Payload(zeros: Int(Self.largeResponse)), "the payload")
  }

  func clientStreaming() async throws {
    let call = try await channel.call(TestService.Methods.streamingInputCall.descriptor, options: options)
    for size in Self.requestSizes { try await call.send(StreamingInputCallRequest(payload: Payload(zeros: size))) }
    call.finish()
    try await expect(call.response().aggregatedPayloadSize, 74922, "the sum")
  }

  func serverStreaming() async throws {
    let request = StreamingOutputCallRequest(
      responseParameters: Self.responseSizes.map { ResponseParameters(size: $0) })
    let call = try await channel.serverStreaming(
      TestService.Methods.streamingOutputCall.descriptor, request, options: options)
    for size in Self.responseSizes { try await expectResponse(of: size, call) }
    try await expect(call.next(), nil, "what follows the responses")
  }

  func pingPong() async throws {
    let call = try await channel.call(TestService.Methods.fullDuplexCall.descriptor, options: options)
    for (requestSize, responseSize) in zip(Self.requestSizes, Self.responseSizes) {
      try await call.send(Self.request(responseSize, payload: requestSize))
      try await expectResponse(of: responseSize, call)
    }
    call.finish()
    try await expect(call.next(), nil, "what follows the responses")
  }

  func emptyStream() async throws {
    let call = try await channel.call(TestService.Methods.fullDuplexCall.descriptor, options: options)
    call.finish()
    try await expect(call.next(), nil, "what comes")
  }

  /// A unary and a bidirectional call end with the status.
  func statuses(_ status: EchoStatus) async throws {
    try await self.status(status)
    let error = try await expectError("the bidirectional call") {
      let call = try await channel.call(TestService.Methods.fullDuplexCall.descriptor, options: options)
      try await call.send(StreamingOutputCallRequest(responseStatus: status))
      call.finish()
      _ = try await call.next()
    }
    try expectStatus(status, error)
  }

  /// A unary call ends with the status.
  func status(_ status: EchoStatus) async throws {
    let error = try await expectError("the unary call") {
      _ = try await channel.unary(
        TestService.Methods.unaryCall.descriptor, SimpleRequest(responseStatus: status), options: options)
    }
    try expectStatus(status, error)
  }

  func unimplemented(_ method: ProtoMethod<Empty, Empty>) async throws {
    let error = try await expectError("the call") {
      _ = try await channel.unary(method.descriptor, Empty(), options: options)
    }
    try expect(error.code, .unimplemented, "the status")
  }

  func cancelAfterBegin() async throws {
    let call = try await channel.call(TestService.Methods.streamingInputCall.descriptor, options: options)
    call.cancel()
    let error = try await expectError("the call") { _ = try await call.response() }
    try expect(error.code, .cancelled, "the status")
  }

  func cancelAfterFirstResponse() async throws {
    let call = try await channel.call(TestService.Methods.fullDuplexCall.descriptor, options: options)
    try await call.send(Self.request(31415, payload: 27182))
    try await expectResponse(of: 31415, call)
    call.cancel()
    let error = try await expectError("the call") { _ = try await call.next() }
    try expect(error.code, .cancelled, "the status")
  }

  func timeoutOnSleepingServer() async throws {
    let error = try await expectError("the call") {
      var options = options
      options.timeout = .milliseconds(1)
      let call = try await channel.call(TestService.Methods.fullDuplexCall.descriptor, options: options)
      try await call.send(StreamingOutputCallRequest(payload: Payload(zeros: 27182)))
      _ = try await call.next()
    }
    try expect(error.code, .deadlineExceeded, "the status")
  }

  // MARK: Shared

  static func request(_ responseSize: Int32, payload: Int) -> StreamingOutputCallRequest {
    StreamingOutputCallRequest(
      responseParameters: [ResponseParameters(size: responseSize)], payload: Payload(zeros: payload))
  }

  func expectResponse(
    of size: Int32, _ call: ClientCall<StreamingOutputCallRequest, StreamingOutputCallResponse>
  ) async throws {
    guard let response = try await call.next() else { throw CaseFailed(description: "a response is missing") }
    try expect(response.payload, Payload(zeros: Int(size)), "the payload")
  }
}

/// The error is the status that the server was asked for.
private func expectStatus(_ status: EchoStatus, _ error: RPCError) throws {
  try expect(error.code, StatusCode(rawValue: Int(status.code)), "the status")
  try expect(error.message, status.message, "the message")
}
