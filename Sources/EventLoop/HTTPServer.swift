import CEvent

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A small HTTP/1.1 server for operators. Confined to its loop.
///
/// One request a connection, and a few seconds for it: whoever is slower is cut off, so that nothing holds a descriptor for long.
package final class HTTPServer: @unchecked Sendable {
  package struct Request: Sendable {
    /// As it is written in the request line; empty for methods that HTTP does not know.
    package let method: String
    /// Without the query.
    package let path: String
    /// Behind the question mark, as it came; empty when there is none.
    package let query: String
    package let body: [UInt8]
  }

  package struct Response: Sendable {
    package var status: Int
    package var contentType: String
    package var body: [UInt8]
    /// More headers.
    package var headers: [(name: String, value: String)]

    package init(
      status: Int = 200, contentType: String = "text/plain; charset=utf-8", body: String,
      headers: [(name: String, value: String)] = []
    ) {
      self.status = status
      self.contentType = contentType
      self.body = Array(body.utf8)
      self.headers = headers
    }
  }

  private static let maxHeaderBytes = 16 << 10
  private static let maxBodyBytes = 4 << 10
  /// Without a byte from the peer; the guard bounds the whole.
  private static let timeoutSeconds: Int32 = 5
  private static let methods: [(evhttp_cmd_type, String)] = [
    (EVHTTP_REQ_GET, "GET"), (EVHTTP_REQ_HEAD, "HEAD"), (EVHTTP_REQ_POST, "POST"), (EVHTTP_REQ_PUT, "PUT"),
    (EVHTTP_REQ_DELETE, "DELETE"), (EVHTTP_REQ_OPTIONS, "OPTIONS"), (EVHTTP_REQ_PATCH, "PATCH"),
    (EVHTTP_REQ_TRACE, "TRACE"), (EVHTTP_REQ_CONNECT, "CONNECT"),
  ]

  package let address: SocketAddress
  let loop: EventLoop
  private let server: OpaquePointer
  let connections: HTTPConnectionGuard
  private let answer: (Request, HTTPExchange) -> Void

  /// - Parameter answer: Called on the loop for each request; it answers through the exchange, at once or later.
  /// - Throws: `SocketError` when the address cannot be had (`isAddressInUse`).
  package init(
    at address: SocketAddress, on loop: EventLoop, answer: @escaping (Request, HTTPExchange) -> Void
  ) throws(SocketError) {
    guard let server = evhttp_new(loop.base) else { throw SocketError(code: ENOMEM, operation: "evhttp_new") }
    // All of them: for what libevent does not let in it answers 501 instead of 405.
    evhttp_set_allowed_methods(server, Self.methods.reduce(0) { $0 | UInt16($1.0.rawValue) })
    evhttp_set_max_headers_size(server, Self.maxHeaderBytes)
    evhttp_set_max_body_size(server, Self.maxBodyBytes)
    evhttp_set_timeout(server, Self.timeoutSeconds)
    // libevent writes without MSG_NOSIGNAL: a peer that hangs up early would end the process.
    signal(SIGPIPE, SIG_IGN)
    do throws(SocketError) {
      // Bound and listening first: libevent's own call reports no reason.
      let listener = try Listener.listening(at: address)
      guard let bound = evhttp_accept_socket_with_handle(server, listener) else {
        close(listener)
        throw SocketError(code: ENOMEM, operation: "evhttp_accept_socket")
      }
      self.address = try SocketAddress(boundBy: evhttp_bound_socket_get_fd(bound))
    } catch {
      evhttp_free(server)
      throw error
    }
    self.server = server
    self.loop = loop
    self.answer = answer
    connections = HTTPConnectionGuard(of: server, on: loop)
    evhttp_set_gencb(
      server,
      { request, context in
        guard let request, let context else { return }
        Unmanaged<HTTPServer>.fromOpaque(context).takeUnretainedValue().received(request)
      }, Unmanaged.passUnretained(self).toOpaque())
  }

  deinit {
    connections.stop()
    evhttp_free(server)
  }

  private func received(_ request: OpaquePointer) {
    let command = evhttp_request_get_command(request)
    let uri = evhttp_request_get_evhttp_uri(request)
    let path = uri.flatMap { evhttp_uri_get_path($0) }
    let query = uri.flatMap { evhttp_uri_get_query($0) }
    var body: [UInt8] = []
    if let buffer = evhttp_request_get_input_buffer(request) {
      body = [UInt8](repeating: 0, count: min(evbuffer_get_length(buffer), Self.maxBodyBytes))
      let count = body.withUnsafeMutableBytes { evbuffer_remove(buffer, $0.baseAddress, $0.count) }
      body.removeLast(body.count - max(0, Int(count)))
    }
    let method = Self.methods.first { $0.0 == command }?.1 ?? ""
    answer(
      Request(
        method: method, path: path.map { String(cString: $0) } ?? "/", query: query.map { String(cString: $0) } ?? "",
        body: body),
      HTTPExchange(request, of: self, isHead: command == EVHTTP_REQ_HEAD))
  }
}
