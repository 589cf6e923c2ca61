import EventLoop
import GRPC
import InteropMessages

/// The cases of doc/interop-test-descriptions.md of the repository grpc/grpc.
enum InteropCase: String, CaseIterable {
  case emptyUnary = "empty_unary"
  case largeUnary = "large_unary"
  case clientCompressedUnary = "client_compressed_unary"
  case serverCompressedUnary = "server_compressed_unary"
  case clientStreaming = "client_streaming"
  case clientCompressedStreaming = "client_compressed_streaming"
  case serverStreaming = "server_streaming"
  case serverCompressedStreaming = "server_compressed_streaming"
  case pingPong = "ping_pong"
  case emptyStream = "empty_stream"
  case customMetadata = "custom_metadata"
  case statusCodeAndMessage = "status_code_and_message"
  case specialStatusMessage = "special_status_message"
  case unimplementedMethod = "unimplemented_method"
  case unimplementedService = "unimplemented_service"
  case cancelAfterBegin = "cancel_after_begin"
  case cancelAfterFirstResponse = "cancel_after_first_response"
  case timeoutOnSleepingServer = "timeout_on_sleeping_server"
  case rpcSoak = "rpc_soak"
  case channelSoak = "channel_soak"

  /// - Throws: What was not as it should be.
  func run(_ calls: InteropCalls, soak: Soak) async throws {
    switch self {
    case .emptyUnary: try await calls.emptyUnary()
    case .largeUnary: try await calls.largeUnary()
    case .clientCompressedUnary: try await calls.clientCompressedUnary()
    case .serverCompressedUnary: try await calls.serverCompressedUnary()
    case .clientStreaming: try await calls.clientStreaming()
    case .clientCompressedStreaming: try await calls.clientCompressedStreaming()
    case .serverStreaming: try await calls.serverStreaming()
    case .serverCompressedStreaming: try await calls.serverCompressedStreaming()
    case .pingPong: try await calls.pingPong()
    case .emptyStream: try await calls.emptyStream()
    case .customMetadata: try await calls.customMetadata()
    case .statusCodeAndMessage: try await calls.statuses(EchoStatus(code: 2, message: "test status message"))
    case .specialStatusMessage:
      let message = "\t\ntest with whitespace\r\nand Unicode BMP \u{263a} and non-BMP \u{1f608}\t\n"
      try await calls.status(EchoStatus(code: 2, message: message))
    case .unimplementedMethod: try await calls.unimplemented(TestService.Methods.unimplementedCall)
    case .unimplementedService: try await calls.unimplemented(UnimplementedService.Methods.unimplementedCall)
    case .cancelAfterBegin: try await calls.cancelAfterBegin()
    case .cancelAfterFirstResponse: try await calls.cancelAfterFirstResponse()
    case .timeoutOnSleepingServer: try await calls.timeoutOnSleepingServer()
    case .rpcSoak: try await soak.run(calls, connectsAnew: false)
    case .channelSoak: try await soak.run(calls, connectsAnew: true)
    }
  }
}

/// Something was not as the case wants it.
struct CaseFailed: Error, CustomStringConvertible {
  let description: String
}

func expect<Value: Equatable>(_ value: Value, _ expected: Value, _ what: String) throws {
  guard value == expected else { throw CaseFailed(description: "\(what) is \(value) instead of \(expected)") }
}

/// What the call ends with, which must be an error.
func expectError(_ what: String, _ body: () async throws -> Void) async throws -> RPCError {
  do { try await body() } catch let error as RPCError { return error }
  throw CaseFailed(description: "\(what) succeeded")
}
