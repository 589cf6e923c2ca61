#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// The methods of a server, found by their path. Built once a loop, before the server starts.
package final class Router: @unchecked Sendable {
  private var routes: [String: Route] = [:]
  /// Most calls of a busy connection go to one method.
  private var latest: Route?
  /// Of calls to methods that are not here: their paths are the callers' choice, so they are counted as one.
  let unknown = MethodStatistics(path: "/unknown/unknown", kind: .unary)

  package init() {}

  /// The paths that have a handler.
  package var paths: Set<String> { Set(routes.keys) }

  /// The full names of the services that have a handler.
  package var services: Set<String> { Set(routes.values.map(\.statistics.service)) }

  /// In the order of the paths.
  var statistics: [MethodStatistics] { routes.sorted { $0.key < $1.key }.map(\.value.statistics) + [unknown] }

  /// One request, one response.
  package func unary<Request: Sendable, Response: Sendable>(
    _ method: MethodDescriptor<Request, Response>,
    _ handler: @escaping @Sendable (Request, ServerCall) async throws -> Response
  ) {
    add(method.path, .unary) { stream in
      let request = try stream.singleRequest(method.request)
      let response = try await handler(request, ServerCall(stream: stream))
      try stream.send(response, method.response)
    }
  }

  /// One request, a stream of responses.
  package func serverStreaming<Request: Sendable, Response: Sendable>(
    _ method: MethodDescriptor<Request, Response>,
    _ handler: @escaping @Sendable (Request, ResponseWriter<Response>, ServerCall) async throws -> Void
  ) {
    add(method.path, .serverStreaming) { stream in
      let request = try stream.singleRequest(method.request)
      try await handler(
        request, ResponseWriter(stream: stream, coding: method.response), ServerCall(stream: stream))
    }
  }

  /// A stream of requests, one response.
  package func clientStreaming<Request: Sendable, Response: Sendable>(
    _ method: MethodDescriptor<Request, Response>,
    _ handler: @escaping @Sendable (RequestStream<Request>, ServerCall) async throws -> Response
  ) {
    add(method.path, .clientStreaming) { stream in
      let response = try await handler(
        RequestStream(stream: stream, coding: method.request), ServerCall(stream: stream))
      try stream.send(response, method.response)
    }
  }

  /// A stream of requests, a stream of responses.
  package func bidirectional<Request: Sendable, Response: Sendable>(
    _ method: MethodDescriptor<Request, Response>,
    _ handler:
      @escaping @Sendable (RequestStream<Request>, ResponseWriter<Response>, ServerCall) async throws -> Void
  ) {
    add(method.path, .bidirectional) { stream in
      try await handler(
        RequestStream(stream: stream, coding: method.request),
        ResponseWriter(stream: stream, coding: method.response), ServerCall(stream: stream))
    }
  }

  private func add(_ path: String, _ kind: MethodKind, _ run: @escaping Route.Run) {
    precondition(routes[path] == nil, "two handlers for \(path)")
    routes[path] = Route(path: path, kind: kind, run: run)
  }

  func route(_ path: UnsafeRawBufferPointer) -> Route? {
    if let latest, latest.matches(path) { return latest }
    guard let route = routes[String(decoding: path, as: UTF8.self)] else { return nil }
    latest = route
    return route
  }
}

/// A method with its handler, the message types erased.
final class Route: Sendable {
  typealias Run = @Sendable (ServerStream) async throws -> Void

  /// When the handler starts.
  enum Start {
    case atOnce
    case whenRequestEnded
  }

  let path: String
  let start: Start
  let run: Run
  let statistics: MethodStatistics
  private let bytes: [UInt8]

  init(path: String, kind: MethodKind, run: @escaping Run) {
    self.path = path
    start = kind == .unary || kind == .serverStreaming ? .whenRequestEnded : .atOnce
    self.run = run
    statistics = MethodStatistics(path: path, kind: kind)
    bytes = Array(path.utf8)
  }

  func matches(_ path: UnsafeRawBufferPointer) -> Bool {
    guard bytes.count == path.count, let start = path.baseAddress else { return false }
    return memcmp(bytes, start, bytes.count) == 0
  }
}
