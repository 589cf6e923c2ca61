import EventLoop
import GRPC
import HTTP2
import Synchronization

/// A timer that keeps itself until it fires.
private final class Kept {
  var timer: Timer?
}

/// The server that answers, once there is one.
final class CurrentServer: Sendable {
  private let kept = Mutex<GRPCServer?>(nil)

  var server: GRPCServer? {
    get { kept.withLock { $0 } }
    set { kept.withLock { $0 = newValue } }
  }
}

/// Methods of every kind over messages that are plain bytes.
enum EchoService {
  typealias Bytes = [UInt8]

  private static let cancelled = Atomic<Int>(0)

  private static let coding = MessageCoding<Bytes>(decode: { Array($0) }, encode: { $1 += $0 })

  private static func method(_ name: String) -> MethodDescriptor<Bytes, Bytes> {
    MethodDescriptor(path: "/test.Echo/\(name)", request: coding, response: coding)
  }

  static func router(_ current: CurrentServer) -> Router {
    let router = Router()
    // `name value` a line.
    router.unary(method("Counters")) { _, _ in
      let counters = await current.server?.counters ?? ConnectionCounters()
      let lines = ConnectionCounters.fields.map { "\($0.name) \(counters[keyPath: $0.path])" }
      return Bytes(lines.joined(separator: "\n").utf8)
    }
    addKinds(to: router)
    addFailures(to: router)
    addShapes(to: router)
    addBenchmark(to: router)
    return router
  }

  private static func addKinds(to router: Router) {
    router.unary(method("Unary")) { request, _ in request }
    router.clientStreaming(method("Collect")) { requests, _ in
      var all: Bytes = []
      for try await request in requests { all += request }
      return all
    }
    // "COUNT SIZE": so many messages of so many bytes.
    router.serverStreaming(method("Expand")) { request, responses, _ in
      let numbers = text(request).split(separator: " ").compactMap { Int($0) }
      guard numbers.count == 2 else { throw RPCError(.invalidArgument, "not 'COUNT SIZE'") }
      let message = Bytes(repeating: 7, count: numbers[1])
      for _ in 0..<numbers[0] { try await responses.write(message) }
    }
    router.bidirectional(method("Each")) { requests, responses, _ in
      for try await request in requests { try await responses.write(request) }
    }
  }

  private static func addFailures(to router: Router) {
    // "CODE MESSAGE": ends with that status, and with the message's bytes as details.
    router.unary(method("Fail")) { request, _ in
      let parts = text(request).split(separator: " ", maxSplits: 1)
      let code = parts.first.flatMap { Int($0) } ?? 2
      let message = parts.count > 1 ? String(parts[1]) : ""
      throw RPCError(StatusCode(rawValue: code), message, details: Array(message.utf8))
    }
    // Answers after so many milliseconds, unless it is cancelled.
    router.unary(method("Sleep")) { request, call in
      do { try await call.loop.sleep(for: .milliseconds(Int(text(request)) ?? 0)) } catch {
        cancelled.add(1, ordering: .relaxed)
        throw error
      }
      return request
    }
    // Answers after so many milliseconds, whether or not it is cancelled.
    router.unary(method("Stubborn")) { request, call in
      await withUnsafeContinuation { continuation in
        let kept = Kept()
        kept.timer = Timer(on: call.loop) {
          kept.timer = nil
          continuation.resume()
        }
        kept.timer?.schedule(after: .milliseconds(Int(text(request)) ?? 0))
      }
      return request
    }
    // How many handlers of Sleep were cancelled.
    router.unary(method("Cancelled")) { _, _ in Bytes("\(cancelled.load(ordering: .relaxed))".utf8) }
    // The caller's metadata, `name=value` a line.
    router.unary(method("Metadata")) { _, call in
      Bytes(call.metadata.fields.map { "\($0.name)=\($0.value)" }.joined(separator: "\n").utf8)
    }
  }

  /// Echoes as the metadata says: `x-initial` and `x-trailing-bin` come back where their names say, `compress` is "yes", "no" or
  /// for a stream "mixed" (every other message). `Was` answers whether the request came compressed.
  private static func addShapes(to router: Router) {
    router.unary(method("Shape")) { request, call in
      shape(call)
      return request
    }
    router.unary(method("ShapeThenFail")) { _, call in
      shape(call)
      throw RPCError(.aborted, "as asked")
    }
    router.unary(method("Was")) { _, call in Bytes((call.wasRequestCompressed ? "compressed" : "plain").utf8) }
    router.bidirectional(method("ShapeEach")) { requests, responses, call in
      shape(call)
      let isMixed = call.metadata["compress"] == "mixed"
      if isMixed { call.compressesAnswer = true }
      try call.sendInitialMetadata()
      var count = 0
      for try await request in requests {
        try await responses.write(request, compressed: isMixed ? count % 2 == 0 : nil)
        count += 1
      }
    }
  }

  private static func shape(_ call: ServerCall) {
    if let initial = call.metadata["x-initial"] { call.initialMetadata.append("x-initial", initial) }
    for bytes in call.metadata.allBytes("x-trailing-bin") {
      call.trailingMetadata.append("x-trailing-bin", bytes: bytes)
    }
    switch call.metadata["compress"] {
    case "yes": call.compressesAnswer = true
    case "no": call.compressesAnswer = false
    default: break
    }
  }

  /// The static answer that the other runtimes' benchmarks give too: five strings, encoded anew for each call.
  private static func addBenchmark(to router: Router) {
    let slugs = [
      "AVITO_VOICE_MESSAGES", "AVITO_PERFORMANCE_VAS", "AVITO_DISCOUNT_30", "AVITO_DISCOUNT_50", "AVITO_SEGMENT_5",
    ]
    let response = MessageCoding<[String]>(
      decode: { _ in [] },
      encode: { slugs, buffer in
        for slug in slugs {
          buffer.append(10)
          buffer.append(UInt8(truncatingIfNeeded: slug.utf8.count))
          buffer.append(contentsOf: slug.utf8)
        }
      })
    let path = "/bench.v1.Segments/GetUserSegments"
    router.unary(MethodDescriptor(path: path, request: coding, response: response)) { _, _ in slugs }
  }

  private static func text(_ bytes: Bytes) -> String { String(decoding: bytes, as: UTF8.self) }
}
