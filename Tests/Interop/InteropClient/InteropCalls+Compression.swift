import GRPC
import InteropMessages

/// The cases about compression.
extension InteropCalls {
  private var gzip: CallOptions {
    var gzip = options
    gzip.compression = .gzip
    return gzip
  }

  func clientCompressedUnary() async throws {
    // The probe: a server that knows of compression refuses it.
    let error = try await expectError("the probe") { _ = try await largeCall(expecting: true, sending: false) }
    try expect(error.code, .invalidArgument, "the probe's status")
    for isCompressed in [true, false] {
      let response = try await largeCall(expecting: isCompressed, sending: isCompressed)
      try expect(response.payload, Payload(zeros: Int(Self.largeResponse)), "the payload")
    }
  }

  private func largeCall(expecting: Bool, sending: Bool) async throws -> SimpleResponse {
    let request = SimpleRequest(
      responseSize: Self.largeResponse, payload: Self.largeRequest, expectCompressed: BoolValue(value: expecting))
    let call = try await channel.call(TestService.Methods.unaryCall.descriptor, options: gzip)
    try await call.send(request, compressed: sending)
    call.finish()
    return try await call.response()
  }

  func serverCompressedUnary() async throws {
    for isCompressed in [true, false] {
      let request = SimpleRequest(
        responseSize: Self.largeResponse, payload: Self.largeRequest,
        responseCompressed: BoolValue(value: isCompressed))
      let call = try await channel.serverStreaming(TestService.Methods.unaryCall.descriptor, request, options: options)
      try await expect(call.response().payload, Payload(zeros: Int(Self.largeResponse)), "the payload")
      try expect(call.wasResponseCompressed, isCompressed, "whether the response was compressed")
    }
  }

  func clientCompressedStreaming() async throws {
    let first = StreamingInputCallRequest(payload: Payload(zeros: 27182), expectCompressed: BoolValue(value: true))
    let second = StreamingInputCallRequest(payload: Payload(zeros: 45904), expectCompressed: BoolValue(value: false))
    let error = try await expectError("the probe") {
      let call = try await channel.call(TestService.Methods.streamingInputCall.descriptor, options: options)
      try await call.send(first)
      call.finish()
      _ = try await call.response()
    }
    try expect(error.code, .invalidArgument, "the probe's status")
    let call = try await channel.call(TestService.Methods.streamingInputCall.descriptor, options: gzip)
    try await call.send(first, compressed: true)
    try await call.send(second, compressed: false)
    call.finish()
    try await expect(call.response().aggregatedPayloadSize, 73086, "the sum")
  }

  func serverCompressedStreaming() async throws {
    let parameters = [(Int32(31415), true), (92653, false)]
    let request = StreamingOutputCallRequest(
      responseParameters: parameters.map { ResponseParameters(size: $0.0, compressed: BoolValue(value: $0.1)) })
    let call = try await channel.serverStreaming(
      TestService.Methods.streamingOutputCall.descriptor, request, options: options)
    for (size, isCompressed) in parameters {
      try await expectResponse(of: size, call)
      try expect(call.wasResponseCompressed, isCompressed, "whether the response was compressed")
    }
    try await expect(call.next(), nil, "what follows the responses")
  }

  func customMetadata() async throws {
    let (initial, trailing) = ("x-grpc-test-echo-initial", "x-grpc-test-echo-trailing-bin")
    var options = options
    options.metadata.append(initial, "test_initial_metadata_value")
    options.metadata.append(trailing, bytes: [0xab, 0xab, 0xab])

    let request = SimpleRequest(responseSize: Self.largeResponse, payload: Self.largeRequest)
    let unary = try await channel.serverStreaming(
      TestService.Methods.unaryCall.descriptor, request, options: options)
    _ = try await unary.response()
    try expect(unary.initialMetadata[initial], "test_initial_metadata_value", "\(initial) of the unary call")
    try expect(unary.trailingMetadata.bytes(trailing), [0xab, 0xab, 0xab], "\(trailing) of the unary call")

    let duplex = try await channel.call(TestService.Methods.fullDuplexCall.descriptor, options: options)
    try await duplex.send(Self.request(Self.largeResponse, payload: Self.largeRequest.body.count))
    duplex.finish()
    try await expectResponse(of: Self.largeResponse, duplex)
    try await expect(duplex.next(), nil, "what follows the response")
    try expect(duplex.initialMetadata[initial], "test_initial_metadata_value", "\(initial) of the stream")
    try expect(duplex.trailingMetadata.bytes(trailing), [0xab, 0xab, 0xab], "\(trailing) of the stream")
  }
}
