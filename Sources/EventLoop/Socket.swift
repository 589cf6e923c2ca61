import CEvent

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A connected, non-blocking stream socket.
package final class Socket: Sendable {
  package enum ReadResult {
    case bytes(Int)
    case wouldBlock
    /// The peer closed its side.
    case closed
  }

  #if canImport(Glibc)
    static let stream = Int32(SOCK_STREAM.rawValue)
  #else
    static let stream = SOCK_STREAM
  #endif

  let descriptor: Descriptor

  package init(owning descriptor: Descriptor) {
    self.descriptor = descriptor
    #if canImport(Darwin)
      var on: Int32 = 1
      setsockopt(descriptor.raw, SOL_SOCKET, SO_NOSIGPIPE, &on, socklen_t(MemoryLayout<Int32>.size))
    #endif
  }

  /// Begins to connect; the socket becomes writable when that has succeeded or failed (`takeError()` tells).
  package static func connecting(to address: SocketAddress) throws(SocketError) -> Socket {
    let raw = socket(address.family, stream, 0)
    guard raw >= 0 else { throw .last("socket") }
    let socket = Socket(owning: Descriptor(owning: raw))
    evutil_make_socket_nonblocking(raw)
    evutil_make_socket_closeonexec(raw)
    socket.sendsAtOnce()
    let code = address.withPointer { connect(raw, $0, $1) }
    guard code == 0 || errno == EINPROGRESS else { throw .last("connect") }
    return socket
  }

  /// Switches Nagle's algorithm off: the loop already gathers a turn's output into one write.
  package func sendsAtOnce() {
    var on: Int32 = 1
    setsockopt(descriptor.raw, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
  }

  /// The error that a `connect` ended with, nil when it succeeded.
  package func takeError() -> SocketError? {
    var code: Int32 = 0
    var length = socklen_t(MemoryLayout<Int32>.size)
    guard getsockopt(descriptor.raw, SOL_SOCKET, SO_ERROR, &code, &length) == 0 else { return .last("getsockopt") }
    return code == 0 ? nil : SocketError(code: code, operation: "connect")
  }

  /// Where the other end is; nil when it has gone.
  package var peer: SocketAddress? { try? SocketAddress(peerOf: descriptor.raw) }

  /// Ends both directions; whoever holds the socket may go on to do so.
  package func shutDown() {
    shutdown(descriptor.raw, Int32(SHUT_RDWR))
  }

  package func read(into buffer: UnsafeMutableRawBufferPointer) throws(SocketError) -> ReadResult {
    while true {
      let count = recv(descriptor.raw, buffer.baseAddress, buffer.count, 0)
      if count > 0 { return .bytes(count) }
      if count == 0 { return .closed }
      switch errno {
      case EINTR: continue
      case EAGAIN, EWOULDBLOCK: return .wouldBlock
      default: throw .last("recv")
      }
    }
  }

  /// - Returns: How many bytes the system took; 0 when its buffer is full.
  package func write(_ buffer: UnsafeRawBufferPointer) throws(SocketError) -> Int {
    #if canImport(Glibc)
      let flags = Int32(MSG_NOSIGNAL)
    #else
      let flags: Int32 = 0
    #endif
    while true {
      let count = send(descriptor.raw, buffer.baseAddress, buffer.count, flags)
      if count >= 0 { return count }
      switch errno {
      case EINTR: continue
      case EAGAIN, EWOULDBLOCK: return 0
      default: throw .last("send")
      }
    }
  }
}
