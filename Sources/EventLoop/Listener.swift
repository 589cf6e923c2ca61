import CEvent

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Accepts connections on one loop. Confined to its loop; closes its socket in `deinit`.
package final class Listener: @unchecked Sendable {
  private static let backlog: Int32 = 1024

  private var listener: OpaquePointer?
  private let onAccept: (Socket) -> Void
  private let loop: EventLoop
  private let retry: RetryAfterAcceptError
  package let address: SocketAddress

  /// Listens beside the other loops' listeners on the same address (SO_REUSEPORT): the kernel spreads the connections.
  /// Call `reserve(_:)` first, which alone notices that another program has the port.
  /// - Throws: `SocketError` when the address cannot be had.
  package init(
    at address: SocketAddress, on loop: EventLoop, onAccept: @escaping (Socket) -> Void
  ) throws(SocketError) {
    self.loop = loop
    self.onAccept = onAccept
    let flags =
      LEV_OPT_REUSEABLE | LEV_OPT_REUSEABLE_PORT | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_CLOSE_ON_FREE | LEV_OPT_DISABLED
    let made = address.withPointer {
      evconnlistener_new_bind(loop.base, nil, nil, flags, Self.backlog, $0, Int32($1))
    }
    guard let made else { throw .last("listen on \(address)") }
    do { self.address = try SocketAddress(boundBy: evconnlistener_get_fd(made)) } catch {
      evconnlistener_free(made)
      throw error
    }
    listener = made
    retry = RetryAfterAcceptError(made, on: loop)
    evconnlistener_set_cb(
      made,
      { _, descriptor, _, _, context in
        let socket = Socket(owning: Descriptor(owning: descriptor))
        guard let context else { return }
        Unmanaged<Listener>.fromOpaque(context).takeUnretainedValue().accepted(socket)
      }, Unmanaged.passUnretained(self).toOpaque())
    evconnlistener_set_error_cb(made) { _, context in
      guard let context else { return }
      Unmanaged<Listener>.fromOpaque(context).takeUnretainedValue().retry.pause()
    }
    evconnlistener_enable(made)
  }

  deinit {
    listener.map(evconnlistener_free)
  }

  /// Finds out whether the address is free, and which port the system gives for port 0.
  /// - Throws: `SocketError` (`isAddressInUse`) when another program listens there, even one with SO_REUSEPORT.
  package static func reserve(_ address: SocketAddress) throws(SocketError) -> SocketAddress {
    let raw = socket(address.family, Socket.stream, 0)
    guard raw >= 0 else { throw .last("socket") }
    let descriptor = Descriptor(owning: raw)
    evutil_make_listen_socket_reuseable(raw)
    guard address.withPointer({ bind(raw, $0, $1) }) == 0 else { throw .last("listen on \(address)") }
    return try SocketAddress(boundBy: descriptor.raw)
  }

  /// A socket that listens on the address alone, non-blocking and close-on-exec; the caller owns it.
  static func listening(at address: SocketAddress) throws(SocketError) -> Int32 {
    let raw = socket(address.family, Socket.stream, 0)
    guard raw >= 0 else { throw .last("socket") }
    evutil_make_socket_nonblocking(raw)
    evutil_make_socket_closeonexec(raw)
    evutil_make_listen_socket_reuseable(raw)
    guard address.withPointer({ bind(raw, $0, $1) }) == 0, listen(raw, backlog) == 0 else {
      let error = SocketError.last("listen on \(address)")
      close(raw)
      throw error
    }
    return raw
  }

  private func accepted(_ socket: Socket) {
    socket.sendsAtOnce()
    onAccept(socket)
  }
}

/// Out of descriptors, accept would fail again at once and spin: it pauses for a moment instead.
private final class RetryAfterAcceptError {
  private static let pause = Duration.milliseconds(100)
  private let listener: OpaquePointer
  private let timer: Timer

  init(_ listener: OpaquePointer, on loop: EventLoop) {
    self.listener = listener
    timer = Timer(on: loop) { evconnlistener_enable(listener) }
  }

  func pause() {
    evconnlistener_disable(listener)
    timer.schedule(after: Self.pause)
  }
}
