import CEvent

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// One request that waits for its answer. Confined to its loop; whoever lets go of it unanswered has answered 500.
///
/// When the peer goes away meanwhile, libevent keeps the request until it is answered.
package final class HTTPExchange: @unchecked Sendable {
  /// How long the reader of a file may take nothing.
  private static let stallSeconds: Int32 = 60
  /// Bytes a second.
  private static let slowest: Int64 = 16 << 10

  private var request: OpaquePointer?
  /// Kept as long as requests are under way: with it libevent would free them.
  private let server: HTTPServer
  private let isHead: Bool

  init(_ request: OpaquePointer, of server: HTTPServer, isHead: Bool) {
    self.request = request
    self.server = server
    self.isHead = isHead
  }

  deinit {
    guard let request else { return }
    nonisolated(unsafe) let forgotten = request
    server.loop.executeNow { [server] in
      evhttp_send_error(forgotten, 500, nil)
      withExtendedLifetime(server) {}
    }
  }

  /// Sends the answer; only the first one counts. Call on the loop.
  package func reply(_ response: HTTPServer.Response) {
    guard let request else { return }
    self.request = nil
    let headers = evhttp_request_get_output_headers(request)
    evhttp_add_header(headers, "Content-Type", response.contentType)
    evhttp_add_header(headers, "Content-Length", "\(response.body.count)")
    evhttp_add_header(headers, "Connection", "close")
    for (name, value) in response.headers { evhttp_add_header(headers, name, value) }
    guard let buffer = evbuffer_new() else { return evhttp_send_error(request, 503, nil) }
    defer { evbuffer_free(buffer) }
    if !isHead { response.body.withUnsafeBytes { _ = evbuffer_add(buffer, $0.baseAddress, $0.count) } }
    evhttp_send_reply(request, Int32(response.status), nil, buffer)
  }

  /// Sends a file, straight from the system's cache and as fast as the peer takes it, but not slower than 16 KiB/s for long.
  /// - Returns: Whether there is such a file; else nothing has been answered.
  package func reply(file path: String, contentType: String, headers more: [(name: String, value: String)]) -> Bool {
    guard let request else { return true }
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return false }
    var status = stat()
    guard fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG, let buffer = evbuffer_new() else {
      close(file)
      return false
    }
    defer { evbuffer_free(buffer) }
    let size = Int64(status.st_size)
    if isHead || size == 0 {
      close(file)
    } else {
      // So that it is sent by sendfile. The buffer closes the file.
      evbuffer_set_flags(buffer, UInt64(EVBUFFER_FLAG_DRAINS_TO_FD))
      guard evbuffer_add_file(buffer, file, 0, size) == 0 else {
        close(file)
        return false
      }
      allowTime(for: size, request)
    }
    self.request = nil
    let headers = evhttp_request_get_output_headers(request)
    evhttp_add_header(headers, "Content-Type", contentType)
    evhttp_add_header(headers, "Content-Length", "\(size)")
    evhttp_add_header(headers, "Connection", "close")
    for (name, value) in more { evhttp_add_header(headers, name, value) }
    evhttp_send_reply(request, 200, nil, buffer)
    return true
  }

  private func allowTime(for size: Int64, _ request: OpaquePointer) {
    guard let connection = evhttp_request_get_connection(request) else { return }
    evhttp_connection_set_timeout(connection, Self.stallSeconds)
    let descriptor = bufferevent_getfd(evhttp_connection_get_bufferevent(connection))
    server.connections.grant(descriptor, seconds: Int64(Self.stallSeconds) + size / Self.slowest)
  }
}
