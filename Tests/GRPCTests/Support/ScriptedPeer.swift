import CNghttp2
import EventLoop

/// The test as a client that writes frames of its own choice to a server's socket, or the other way round. Confined to its loop.
final class ScriptedPeer: @unchecked Sendable {
  struct TimedOut: Error {}

  private let loop: EventLoop
  private let socket: Socket
  private let inflater = HeaderInflater()
  private var received: ArraySlice<UInt8> = []
  private var output: ArraySlice<UInt8> = []
  private var isClosed = false
  private var expectsPreface = false
  /// The last stream that the latest GOAWAY names.
  private(set) var lastServed: UInt32?
  private var watcher: SocketWatcher?
  private var waiter: Promise<Void>?

  /// - Parameter settings: Sent behind the preface; nil sends not even that.
  convenience init(
    to address: SocketAddress, on loop: EventLoop, settings: KeyValuePairs<UInt16, UInt32>? = [:]
  ) async throws {
    self.init(try await Socket.connected(to: [address], on: loop, timeout: .seconds(60)), on: loop)
    if let settings { send(bytes: Frame.preface + Frame.settings(settings).bytes) }
  }

  /// The server's end of a connection; SETTINGS are up to the test.
  convenience init(accepted socket: Socket, on loop: EventLoop) {
    self.init(socket, on: loop)
    expectsPreface = true
  }

  private init(_ socket: Socket, on loop: EventLoop) {
    self.loop = loop
    self.socket = socket
    let watcher = SocketWatcher(
      socket, on: loop, onReadable: { [unowned self] in readable() }, onWritable: { [unowned self] in flush() })
    self.watcher = watcher
    watcher.watchesReading = true
  }

  func send(_ frames: Frame...) {
    send(bytes: frames.flatMap(\.bytes))
  }

  func send(bytes: [UInt8]) {
    output += bytes
    flush()
  }

  /// Reads and writes no more.
  func close() {
    watcher?.stop()
    isClosed = true
  }

  /// Closes the connection.
  func abort() {
    close()
    socket.shutDown()
  }

  private func flush() {
    while !output.isEmpty {
      guard let written = try? output.withUnsafeBytes({ try socket.write($0) }), written > 0 else { break }
      output = output.dropFirst(written)
    }
    watcher?.watchesWriting = !output.isEmpty
  }

  private func readable() {
    var buffer = [UInt8](repeating: 0, count: 64 << 10)
    switch try? buffer.withUnsafeMutableBytes({ try socket.read(into: $0) }) {
    case .bytes(let count): received += buffer[..<count]
    case .wouldBlock: return
    case .closed, nil:
      isClosed = true
      watcher?.stop()
    }
    waiter?.succeed(())
    waiter = nil
  }

  /// The next frame whatever it is; nil when the server has closed the connection.
  func anyFrame() async throws -> Frame? {
    while true {
      if expectsPreface, received.count >= Frame.preface.count {
        received = received.dropFirst(Frame.preface.count)
        expectsPreface = false
      }
      if !expectsPreface, let frame = try Frame.take(from: &received) {
        if frame.kind == .goAway { lastServed = frame.number(at: 0) }
        return frame
      }
      if isClosed { return nil }
      let waiter = Promise<Void>(on: loop)
      self.waiter = waiter
      let timer = Timer(on: loop) { waiter.fail(TimedOut()) }
      timer.schedule(after: .seconds(60))
      defer { timer.cancel() }
      try await waiter.value()
    }
  }

  /// The next frame but SETTINGS (a server's own are acknowledged) and WINDOW_UPDATE.
  func frame() async throws -> Frame? {
    while let frame = try await anyFrame() {
      switch frame.kind {
      case .settings:
        if frame.flags & Frame.acknowledged == 0 { send(Frame(kind: .settings, flags: Frame.acknowledged)) }
      case .windowUpdate: break
      default: return frame
      }
    }
    return nil
  }

  /// The fields of the next frame, which holds headers or trailers.
  func fields() async throws -> [String: String] {
    guard let frame = try await frame(), frame.kind == .headers else { throw NotHeaders() }
    return Dictionary(try inflater.inflate(frame.payload)) { $1 }
  }

  struct NotHeaders: Error {}

  /// As a server: the next request's stream and headers, when it has ended; nil when the client has closed the connection.
  func request() async throws -> (stream: UInt32, headers: [String: String])? {
    var headers: [UInt32: [String: String]] = [:]
    while let frame = try await frame() {
      if frame.kind == .headers {
        headers[frame.stream] = try Dictionary(inflater.inflate(frame.payload)) { first, _ in first }
      }
      if frame.endsStream { return (frame.stream, headers[frame.stream] ?? [:]) }
    }
    return nil
  }

  /// As a server: answers a call with OK and one message.
  func answer(_ stream: UInt32, _ message: [UInt8]) {
    send(
      .headers(stream, [(":status", "200"), ("content-type", "application/grpc")]), .data(stream, grpcMessage(message)),
      .headers(stream, [("grpc-status", "0")], end: true))
  }

  /// As a server: ends a call with a status before anything else.
  func refuse(_ stream: UInt32, _ status: Int, extra: [(String, String)] = []) {
    let fields = [(":status", "200"), ("content-type", "application/grpc"), ("grpc-status", "\(status)")]
    send(.headers(stream, fields + extra, end: true))
  }

  /// Frames up to the one that ends the stream, or resets it.
  func answer(on stream: UInt32) async throws -> Answer {
    var answer = Answer()
    while let frame = try await frame() {
      guard frame.stream == stream else { continue }
      switch frame.kind {
      case .headers: for field in try inflater.inflate(frame.payload) { answer.headers[field.0] = field.1 }
      case .data: answer.body += frame.payload
      case .reset:
        answer.resetCode = frame.number(at: 0)
        return answer
      default: break
      }
      if frame.endsStream { return answer }
    }
    return answer
  }

  /// What came on one stream: headers and trailers together.
  struct Answer {
    var headers: [String: String] = [:]
    var body: [UInt8] = []
    var resetCode: UInt32?

    var status: String? { headers["grpc-status"] }
  }
}

/// HPACK's decoder, which the server's header blocks need. Keeps its state from block to block.
private final class HeaderInflater {
  struct Failed: Error {}

  private var inflater: OpaquePointer?

  init() {
    nghttp2_hd_inflate_new(&inflater)
  }

  deinit {
    nghttp2_hd_inflate_del(inflater)
  }

  func inflate(_ block: [UInt8]) throws -> [(String, String)] {
    var fields: [(String, String)] = []
    try block.withUnsafeBufferPointer { bytes in
      var rest = bytes[...]
      while true {
        var field = nghttp2_nv()
        var flags: Int32 = 0
        let chunk = UnsafeBufferPointer(rebasing: rest)
        let count = nghttp2_hd_inflate_hd2(inflater, &field, &flags, chunk.baseAddress, chunk.count, 1)
        guard count >= 0 else { throw Failed() }
        rest = rest.dropFirst(count)
        if flags & Int32(NGHTTP2_HD_INFLATE_EMIT.rawValue) != 0 {
          let name = UnsafeBufferPointer(start: field.name, count: field.namelen)
          let value = UnsafeBufferPointer(start: field.value, count: field.valuelen)
          fields.append((String(decoding: name, as: UTF8.self), String(decoding: value, as: UTF8.self)))
        }
        if flags & Int32(NGHTTP2_HD_INFLATE_FINAL.rawValue) != 0 {
          nghttp2_hd_inflate_end_headers(inflater)
          return
        }
      }
    }
    return fields
  }
}
