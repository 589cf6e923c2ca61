import Contract
import EventLoop
import GRPC
import Proto

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// The runtime with nothing behind it: answers five fixed slugs on the path that the other servers of the comparison answer.
///
///     static-server HOST:PORT [LOOPS]
@main
struct StaticServer {
  private static let slugs = [
    "AVITO_VOICE_MESSAGES", "AVITO_PERFORMANCE_VAS", "AVITO_DISCOUNT_30", "AVITO_DISCOUNT_50", "AVITO_SEGMENT_5",
  ]

  static func main() async throws {
    let arguments = CommandLine.arguments
    let endpoint = try Endpoint(arguments.count > 1 ? arguments[1] : "127.0.0.1:7790")
    let count = arguments.count > 2 ? Int(arguments[2]) ?? 1 : 1
    let loops = try (0..<count).map { try EventLoop(name: "loop-\($0)") }
    let threads = try loops.map { try $0.start() }
    let method = MethodDescriptor<GetUserSegmentsRequest, GetUserSegmentsResponse>(
      path: "/bench.v1.Segments/GetUserSegments", request: .proto, response: .proto)
    let server = try await GRPCServer(at: endpoint, on: loops) { _ in
      let router = Router()
      router.unary(method) { request, _ in
        GetUserSegmentsResponse(segments: request.userID > 0 ? slugs : [])
      }
      return router
    }
    print("listening on \(server.address)")
    fflush(nil)
    for thread in threads { thread.join() }
  }
}
