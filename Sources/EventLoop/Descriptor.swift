import CEvent

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Owns a file descriptor, closed in `deinit`. Always close-on-exec and non-blocking.
package final class Descriptor: Sendable {
  package let raw: Int32

  package init(owning raw: Int32) {
    self.raw = raw
  }

  deinit {
    close(raw)
  }

  /// Two connected stream sockets.
  package static func pair() throws(SocketError) -> (Descriptor, Descriptor) {
    var raw: (Int32, Int32) = (-1, -1)
    let code = withUnsafeMutablePointer(to: &raw) {
      $0.withMemoryRebound(to: Int32.self, capacity: 2) { evutil_socketpair(AF_UNIX, Socket.stream, 0, $0) }
    }
    guard code == 0 else { throw .last("socketpair") }
    for descriptor in [raw.0, raw.1] {
      evutil_make_socket_nonblocking(descriptor)
      evutil_make_socket_closeonexec(descriptor)
    }
    return (Descriptor(owning: raw.0), Descriptor(owning: raw.1))
  }
}
