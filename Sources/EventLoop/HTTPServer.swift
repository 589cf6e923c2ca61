import CEvent

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A small HTTP/1.1 server for operators: GET and HEAD of a few paths, answered at once. Confined to its loop.
package final class HTTPServer: @unchecked Sendable {
  package struct Response: Sendable {
    package var status: Int
    package var contentType: String
    package var body: [UInt8]

    package init(status: Int = 200, contentType: String = "text/plain; charset=utf-8", body: String) {
      self.status = status
      self.contentType = contentType
      self.body = Array(body.utf8)
    }
  }

  private static let maxHeaderBytes = 16 << 10
  private static let timeoutSeconds: Int32 = 30

  package let address: SocketAddress
  private let server: OpaquePointer
  private let loop: EventLoop
  private let answer: (String) -> Response

  /// - Parameter answer: Gets the path without its query; called on the loop.
  /// - Throws: `SocketError` when the address cannot be had (`isAddressInUse`).
  package init(
    at address: SocketAddress, on loop: EventLoop, answer: @escaping (_ path: String) -> Response
  ) throws(SocketError) {
    guard let server = evhttp_new(loop.base) else { throw SocketError(code: ENOMEM, operation: "evhttp_new") }
    evhttp_set_allowed_methods(server, UInt16(EVHTTP_REQ_GET.rawValue | EVHTTP_REQ_HEAD.rawValue))
    evhttp_set_max_headers_size(server, Self.maxHeaderBytes)
    evhttp_set_max_body_size(server, 0)
    evhttp_set_timeout(server, Self.timeoutSeconds)
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
    evhttp_set_gencb(
      server,
      { request, context in
        guard let request, let context else { return }
        Unmanaged<HTTPServer>.fromOpaque(context).takeUnretainedValue().reply(to: request)
      }, Unmanaged.passUnretained(self).toOpaque())
  }

  deinit {
    evhttp_free(server)
  }

  private func reply(to request: OpaquePointer) {
    let path = evhttp_request_get_evhttp_uri(request).flatMap { evhttp_uri_get_path($0) }
    let response = answer(path.map { String(cString: $0) } ?? "/")
    evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Type", response.contentType)
    guard let buffer = evbuffer_new() else { return evhttp_send_error(request, 503, nil) }
    defer { evbuffer_free(buffer) }
    response.body.withUnsafeBytes { _ = evbuffer_add(buffer, $0.baseAddress, $0.count) }
    evhttp_send_reply(request, Int32(response.status), nil, buffer)
  }
}
