import EventLoop
import HTTP2

/// Two sessions whose bytes a test carries from one to the other; no sockets.
final class SessionPair {
  let client: Session
  let server: Session

  init(
    client: HTTP2Configuration = .init(), server: HTTP2Configuration = .init(),
    onRequest: @escaping (Recorder) -> Void = { _ in }
  ) throws {
    let loop = try EventLoop(name: "not running")
    let opened = Opened()
    self.client = try Session(.client, configuration: client, on: loop)
    self.server = try Session(.server, configuration: server, on: loop) { stream in
      let recorder = Recorder()
      recorder.stream = stream
      recorder.onHeadersEnd = onRequest
      stream.delegate = recorder
      opened.recorders.append(recorder)
    }
    self.opened = opened
  }

  private final class Opened { var recorders: [Recorder] = [] }
  private let opened: Opened

  /// What the server's streams received, in the order in which they were opened.
  var received: [Recorder] { opened.recorders }

  /// Carries bytes until both sides are silent.
  /// - Parameter chunk: How many bytes are handed over at once.
  func exchange(chunk: Int = .max) throws {
    while true {
      let there = try Self.carry(from: client, to: server, chunk)
      let back = try Self.carry(from: server, to: client, chunk)
      if !there && !back { return }
    }
  }

  private static func carry(from source: Session, to target: Session, _ chunk: Int) throws -> Bool {
    var bytes: [UInt8] = []
    try source.gather(into: &bytes, limit: .max)
    var rest = bytes[...]
    while !rest.isEmpty {
      try Array(rest.prefix(chunk)).withUnsafeBytes { try target.receive($0) }
      rest = rest.dropFirst(chunk)
    }
    return !bytes.isEmpty
  }

  static let request: HeaderBlock = [":method": "POST", ":scheme": "http", ":path": "/x", ":authority": "test"]
}

/// Records what happens on a stream.
final class Recorder: StreamDelegate {
  weak var stream: HTTP2Stream?
  var headers: [[String: String]] = [[:]]
  var body: [UInt8] = []
  var hasEnded = false
  var closed: [HTTP2ErrorCode] = []
  var isConnectionLost = false
  /// Gives back the credit of what arrives at once.
  var consumes = true
  var onHeadersEnd: (Recorder) -> Void = { _ in }

  func streamReceivedHeaders(_ stream: HTTP2Stream, _ received: ReceivedHeaders, endStream: Bool) {
    received.forEach { name, value in
      headers[headers.count - 1][String(decoding: name, as: UTF8.self)] = String(decoding: value, as: UTF8.self)
    }
    headers.append([:])
    hasEnded = hasEnded || endStream
    if headers.count == 2 { onHeadersEnd(self) }
  }

  func streamReceivedData(_ stream: HTTP2Stream, _ bytes: UnsafeRawBufferPointer) {
    body += bytes
    if consumes { stream.consume(bytes.count) }
  }

  func streamReceivedEnd(_ stream: HTTP2Stream) { hasEnded = true }

  func streamClosed(_ stream: HTTP2Stream, _ code: HTTP2ErrorCode, connectionLost: Bool) {
    closed.append(code)
    isConnectionLost = connectionLost
  }
}
