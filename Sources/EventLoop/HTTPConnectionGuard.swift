import CEvent

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Bounds what connections to the HTTP server may take: how many there are, and how long each. Confined to its loop.
///
/// libevent has neither bound: its timeout begins anew with each byte. It tells of new connections when it asks for their
/// buffers, but not when they end, so a connection is known here by its socket's descriptor and inode, and is cut off by shutting
/// the socket down, which libevent sees as its peer's end.
final class HTTPConnectionGuard: @unchecked Sendable {
  private struct Guest {
    let descriptor: Int32
    let inode: ino_t
    /// `MonotonicTime`
    var deadline: UInt64

    /// Whether it is still the socket that it was.
    var isThere: Bool { Self.inode(of: descriptor) == inode }

    static func inode(of descriptor: Int32) -> ino_t? {
      var status = stat()
      guard descriptor >= 0, fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFSOCK else { return nil }
      return status.st_ino
    }
  }

  private static let mostConnections = 64
  /// For the request and the answer together.
  private static let nanoseconds: UInt64 = 10_000_000_000

  private let loop: EventLoop
  /// Buffers of connections whose socket is not known yet.
  private var arrived: [OpaquePointer] = []
  private var guests: [Guest] = []
  private var timer: Timer?

  init(of server: OpaquePointer, on loop: EventLoop) {
    self.loop = loop
    timer = Timer(on: loop) { [unowned self] in look() }
    evhttp_set_bevcb(
      server,
      { base, context in
        guard let buffer = bufferevent_socket_new(base, -1, 0) else { return nil }
        if let context { Unmanaged<HTTPConnectionGuard>.fromOpaque(context).takeUnretainedValue().arrived(buffer) }
        return buffer
      }, Unmanaged.passUnretained(self).toOpaque())
  }

  func stop() {
    timer = nil
    arrived = []
  }

  /// Gives the connection with this socket more time.
  func grant(_ descriptor: Int32, seconds: Int64) {
    guard let inode = Guest.inode(of: descriptor),
      let index = guests.firstIndex(where: { $0.descriptor == descriptor && $0.inode == inode })
    else { return }
    guests[index].deadline = MonotonicTime.now &+ UInt64(clamping: seconds) &* 1_000_000_000
  }

  /// libevent sets the socket behind this call; nothing of the connection can end before the turn does.
  private func arrived(_ buffer: OpaquePointer) {
    arrived.append(buffer)
    if arrived.count == 1 { loop.execute { self.admit() } }
  }

  private func admit() {
    let buffers = arrived
    arrived = []
    for buffer in buffers {
      let descriptor = bufferevent_getfd(buffer)
      guard let inode = Guest.inode(of: descriptor) else { continue }
      guests.append(Guest(descriptor: descriptor, inode: inode, deadline: MonotonicTime.now &+ Self.nanoseconds))
    }
    if guests.count > Self.mostConnections { guests.removeAll { !$0.isThere } }
    while guests.count > Self.mostConnections {
      // The newest: those who wait for an answer keep their turn.
      Self.cutOff(guests.removeLast())
    }
    if !guests.isEmpty { timer?.schedule(after: .seconds(1)) }
  }

  private func look() {
    let now = MonotonicTime.now
    guests.removeAll { guest in
      guard guest.isThere else { return true }
      guard guest.deadline <= now else { return false }
      Self.cutOff(guest)
      return true
    }
    if !guests.isEmpty { timer?.schedule(after: .seconds(1)) }
  }

  private static func cutOff(_ guest: Guest) {
    if guest.isThere { shutdown(guest.descriptor, Int32(SHUT_RDWR)) }
  }
}
