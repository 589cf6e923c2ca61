import GRPC

/// Methods of every kind over plain bytes, that use all of a call.
enum FuzzService {
  typealias Bytes = [UInt8]

  private static let coding = MessageCoding<Bytes>(decode: { Array($0) }, encode: { $1 += $0 })

  private static func method(_ name: String) -> MethodDescriptor<Bytes, Bytes> {
    MethodDescriptor(path: "/test.Echo/\(name)", request: coding, response: coding)
  }

  static let echo = method("Unary")

  static func router() -> Router {
    let router = Router()
    router.unary(echo) { request, _ in request }
    router.clientStreaming(method("Collect")) { requests, _ in
      var all: Bytes = []
      for try await request in requests { all += request }
      return all
    }
    router.serverStreaming(method("Expand")) { request, responses, call in
      shape(call)
      for count in 0..<request.count { try await responses.write(Bytes(repeating: 1, count: count * 100)) }
    }
    router.bidirectional(method("Each")) { requests, responses, call in
      shape(call)
      try call.sendInitialMetadata()
      for try await request in requests { try await responses.write(request, compressed: request.count % 2 == 0) }
    }
    router.unary(method("Fail")) { request, call in
      shape(call)
      throw RPCError(
        StatusCode(rawValue: Int(request.first ?? 2)), String(decoding: request, as: UTF8.self), details: request)
    }
    router.unary(method("Shape")) { request, call in
      shape(call)
      return request
    }
    return router
  }

  private static func shape(_ call: ServerCall) {
    if let initial = call.metadata["x-initial"] { call.initialMetadata.append("x-initial", initial) }
    for bytes in call.metadata.allBytes("x-trailing-bin") {
      call.trailingMetadata.append("x-trailing-bin", bytes: bytes)
    }
    if call.metadata["compress"] != nil { call.compressesAnswer = true }
  }
}
