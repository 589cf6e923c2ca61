import EventLoop
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(5))) struct ListenerTests {
  private static func loopback(_ port: UInt16 = 0) throws -> SocketAddress {
    try #require(try SocketAddress.resolve(Endpoint(host: "127.0.0.1", port: port)).first)
  }

  @Test("connections are accepted and carry bytes both ways")
  func acceptsAndCarries() async throws {
    try await withLoop { loop in
      let echo = Echo(on: loop)
      let listener = try Listener(at: Self.loopback(), on: loop) { echo.accept($0) }
      let socket = try await Socket.connected(to: [listener.address], on: loop, timeout: .seconds(60))
      #expect(try [1, 2, 3].withUnsafeBytes { try socket.write($0) } == 3 * MemoryLayout<Int>.size)
      var answer = [UInt8](repeating: 0, count: 64)
      try await eventually(on: loop) {
        guard case .bytes(let count)? = try? answer.withUnsafeMutableBytes({ try socket.read(into: $0) }) else {
          return false
        }
        return count == 24
      }
      #expect(answer[0] == 1)
    }
  }

  @Test("a port that is in use is noticed, even when its owner shares it with SO_REUSEPORT")
  func portInUse() async throws {
    try await withLoop { loop in
      let first = try Listener(at: Self.loopback(), on: loop) { _ in }
      let error = #expect(throws: SocketError.self) { try Listener.reserve(first.address) }
      #expect(error?.isAddressInUse == true)
      // Without the reservation the second listener would share the port, as the loops of one server do.
      let second = try Listener(at: first.address, on: loop) { _ in }
      #expect(second.address.port == first.address.port)
    }
  }

  @Test("a reservation gives a port that can be listened on")
  func reservation() async throws {
    try await withLoop { loop in
      let address = try Listener.reserve(Self.loopback())
      #expect(address.port != 0)
      let listener = try Listener(at: address, on: loop) { _ in }
      #expect(listener.address.port == address.port)
    }
  }

  @Test("connecting where nobody listens is refused at once")
  func refused() async throws {
    try await withLoop { loop in
      let address = try Listener.reserve(Self.loopback())
      let error = await #expect(throws: SocketError.self) {
        try await Socket.connected(to: [address], on: loop, timeout: .seconds(60))
      }
      #expect(error?.operation == "connect")
    }
  }

  @Test("the second address is tried when the first refuses")
  func nextAddress() async throws {
    try await withLoop { loop in
      let listener = try Listener(at: Self.loopback(), on: loop) { _ in }
      let closed = try Listener.reserve(Self.loopback())
      _ = try await Socket.connected(to: [closed, listener.address], on: loop, timeout: .seconds(60))
    }
  }

  @Test("a watcher tells of the peer's close, and of nothing while it is stopped")
  func watcher() async throws {
    try await withLoop { loop in
      let echo = Echo(on: loop)
      let listener = try Listener(at: Self.loopback(), on: loop) { echo.accept($0) }
      let socket = try await Socket.connected(to: [listener.address], on: loop, timeout: .seconds(60))
      let log = Log()
      let watcher = SocketWatcher(
        socket, on: loop, onReadable: { log.entries.append((0, 0)) }, onWritable: { log.entries.append((1, 0)) })
      try await eventually(on: loop) { echo.count == 1 }
      #expect(log.entries.isEmpty)
      watcher.watchesWriting = true
      try await eventually(on: loop) { log.entries.contains { $0.0 == 1 } }
      watcher.stop()
      log.entries = []
      echo.closeAll()
      try await loop.sleep(for: .milliseconds(5))
      #expect(log.entries.isEmpty)
      watcher.watchesReading = true
      try await eventually(on: loop) { log.entries.contains { $0.0 == 0 } }
    }
  }
}

/// Sends back what arrives. Confined to its loop.
final class Echo: @unchecked Sendable {
  private let loop: EventLoop
  private var watchers: [SocketWatcher] = []

  init(on loop: EventLoop) { self.loop = loop }

  var count: Int { watchers.count }

  func accept(_ socket: Socket) {
    let watcher = SocketWatcher(
      socket, on: loop,
      onReadable: {
        var bytes = [UInt8](repeating: 0, count: 1024)
        guard case .bytes(let count)? = try? bytes.withUnsafeMutableBytes({ try socket.read(into: $0) }) else { return }
        _ = try? bytes[..<count].withUnsafeBytes { try socket.write($0) }
      }, onWritable: {})
    watcher.watchesReading = true
    watchers.append(watcher)
  }

  func closeAll() { watchers = [] }
}
