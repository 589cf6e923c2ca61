import EventLoop
import TLS

/// The way between a session and its socket: as the bytes are, or through TLS whose handshake is done. Confined to its loop.
///
/// However many TLS records a turn makes, they go out in one system call, as everything does without TLS.
package final class Transport: @unchecked Sendable {
  let socket: Socket
  private let tls: TLSSession?
  /// What the socket did not take yet.
  private var pending: ArraySlice<UInt8> = []

  /// - Parameter tls: Nil for a plain connection.
  package init(_ socket: Socket, tls: TLSSession? = nil) {
    self.socket = socket
    self.tls = tls
  }

  /// Bytes that the socket took, and that it did not take yet.
  private(set) var writtenBytes = 0
  var unwrittenBytes: Int { pending.count }

  /// The socket takes no more for now.
  var isBlocked: Bool { !pending.isEmpty }

  /// There is something to read that the socket will not announce.
  var hasLeftover: Bool { tls?.hasLeftover ?? false }

  /// Reads what is there, at most the buffer's size, and lends it to `body`.
  /// - Returns: False when the peer has closed.
  /// - Throws: `SocketError`, `TLSError`, what `body` throws
  func read(_ buffers: ConnectionBuffers, _ body: (UnsafeRawBufferPointer) throws -> Void) throws -> Bool {
    let count: Int
    switch try socket.read(into: buffers.input) {
    case .bytes(let bytes): count = bytes
    case .wouldBlock: count = 0
    case .closed: return false
    }
    let bytes = UnsafeRawBufferPointer(rebasing: buffers.input[..<count])
    if let tls {
      try tls.open(bytes, in: buffers.plain, body)
    } else if count > 0 {
      try body(bytes)
    }
    return true
  }

  /// Writes what is left of before, and what TLS has to say of its own.
  /// - Returns: Whether there is room for more.
  /// - Throws: `SocketError`
  func flush() throws -> Bool {
    if !pending.isEmpty {
      let written = try pending.withUnsafeBytes { try socket.write($0) }
      writtenBytes &+= written
      pending = pending.dropFirst(written)
      guard pending.isEmpty else { return false }
      pending = []
    }
    guard let tls, !tls.outgoing.isEmpty else { return true }
    return try sendSealed(tls)
  }

  /// Writes bytes; what the socket does not take is kept. Call only when there is room.
  /// - Returns: Whether there is room for more.
  /// - Throws: `SocketError`, `TLSError`
  func write(_ bytes: [UInt8], _ buffers: ConnectionBuffers) throws -> Bool {
    guard let tls else { return try send(bytes) }
    // The loop's buffer, so that an idle connection owns none.
    if tls.outgoing.isEmpty { swap(&tls.outgoing, &buffers.sealed) }
    try bytes.withUnsafeBytes { try tls.seal($0) }
    let hasRoom = try send(tls.outgoing)
    tls.outgoing.removeAll(keepingCapacity: true)
    swap(&tls.outgoing, &buffers.sealed)
    return hasRoom
  }

  /// Says goodbye, as far as the socket takes it.
  func close() {
    guard let tls, pending.isEmpty else { return }
    tls.close()
    _ = try? sendSealed(tls)
  }

  private func sendSealed(_ tls: TLSSession) throws -> Bool {
    defer { tls.outgoing = [] }
    return try send(tls.outgoing)
  }

  private func send(_ bytes: [UInt8]) throws -> Bool {
    let written = try bytes.withUnsafeBytes { try socket.write($0) }
    writtenBytes &+= written
    if written < bytes.count { pending = ArraySlice(Array(bytes[written...])) }
    return written == bytes.count
  }
}

/// The buffers that all connections of one loop use in turn, so that an idle connection owns none. Confined to its loop.
package final class ConnectionBuffers: @unchecked Sendable {
  let input = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 16)
  var output: [UInt8] = []
  /// What TLS makes of the output.
  var sealed: [UInt8] = []
  /// What TLS makes of the input.
  let plain = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 16)

  /// What nghttp2 takes its blocks from.
  package let memory = SessionMemory()

  package init() {}

  deinit {
    input.deallocate()
    plain.deallocate()
  }
}
