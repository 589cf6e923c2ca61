/// One HTTP/2 frame, as a test writes and reads it (RFC 9113, section 4.1).
struct Frame: Sendable, Equatable {
  enum Kind: UInt8, Sendable {
    case data, headers, priority, reset, settings, pushPromise, ping, goAway, windowUpdate, continuation
  }

  static let endStream: UInt8 = 1
  static let acknowledged: UInt8 = 1
  static let endHeaders: UInt8 = 4

  var kind: Kind
  var flags: UInt8 = 0
  var stream: UInt32 = 0
  var payload: [UInt8] = []

  static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)

  static func settings(_ values: KeyValuePairs<UInt16, UInt32> = [:]) -> Frame {
    Frame(kind: .settings, payload: values.flatMap { bigEndian($0.key) + bigEndian($0.value) })
  }

  static func ping(_ payload: [UInt8]) -> Frame { Frame(kind: .ping, payload: payload) }

  static func windowUpdate(_ stream: UInt32, by count: UInt32) -> Frame {
    Frame(kind: .windowUpdate, stream: stream, payload: bigEndian(count))
  }

  static func reset(_ stream: UInt32, code: UInt32) -> Frame {
    Frame(kind: .reset, stream: stream, payload: bigEndian(code))
  }

  static func goAway(last: UInt32, code: UInt32 = 0) -> Frame {
    Frame(kind: .goAway, payload: bigEndian(last) + bigEndian(code))
  }

  static func data(_ stream: UInt32, _ bytes: [UInt8], end: Bool = false) -> Frame {
    Frame(kind: .data, flags: end ? endStream : 0, stream: stream, payload: bytes)
  }

  /// Fields as HPACK literals without indexing and without Huffman coding (RFC 7541, section 6.2.2).
  static func headers(_ stream: UInt32, _ fields: [(String, String)], end: Bool = false) -> Frame {
    var block: [UInt8] = []
    for (name, value) in fields { block += [0] + literal(name) + literal(value) }
    return Frame(kind: .headers, flags: endHeaders | (end ? endStream : 0), stream: stream, payload: block)
  }

  /// The headers of a gRPC call.
  static func call(
    _ stream: UInt32, _ method: String, extra: [(String, String)] = [], end: Bool = false
  ) -> Frame {
    let fields = [
      (":method", "POST"), (":scheme", "http"), (":path", "/test.Service/\(method)"), (":authority", "test"),
      ("te", "trailers"), ("content-type", "application/grpc"),
    ]
    return headers(stream, fields + extra, end: end)
  }

  var bytes: [UInt8] {
    Array(bigEndian(UInt32(payload.count))[1...]) + [kind.rawValue, flags] + bigEndian(stream) + payload
  }

  /// The payload's four bytes at an offset, as a number.
  func number(at offset: Int) -> UInt32? {
    guard payload.count >= offset + 4 else { return nil }
    return payload[offset..<offset + 4].reduce(0) { $0 << 8 | UInt32($1) }
  }

  var endsStream: Bool { (kind == .data || kind == .headers) && flags & Self.endStream != 0 }

  /// The first frame of the bytes, which is removed from them; nil when it is not complete.
  static func take(from bytes: inout ArraySlice<UInt8>) throws -> Frame? {
    guard bytes.count >= 9 else { return nil }
    let head = Array(bytes.prefix(9))
    let count = head[..<3].reduce(0) { $0 << 8 | Int($1) }
    guard bytes.count >= 9 + count else { return nil }
    guard let kind = Kind(rawValue: head[3]) else { throw UnknownFrame(kind: head[3]) }
    let stream = head[5...].reduce(0) { $0 << 8 | UInt32($1) } & 0x7fff_ffff
    let payload = Array(bytes.dropFirst(9).prefix(count))
    bytes = bytes.dropFirst(9 + count)
    return Frame(kind: kind, flags: head[4], stream: stream, payload: payload)
  }

  struct UnknownFrame: Error { let kind: UInt8 }
}

/// A message with its gRPC prefix.
func grpcMessage(_ bytes: [UInt8]) -> [UInt8] { [0] + bigEndian(UInt32(bytes.count)) + bytes }

private func bigEndian<Number: FixedWidthInteger>(_ number: Number) -> [UInt8] {
  withUnsafeBytes(of: number.bigEndian) { Array($0) }
}

private func literal(_ text: String) -> [UInt8] {
  let count = text.utf8.count
  guard count >= 127 else { return [UInt8(count)] + text.utf8 }
  var rest = count - 127
  var prefix: [UInt8] = [127]
  while rest >= 128 {
    prefix.append(UInt8(rest & 127) | 128)
    rest >>= 7
  }
  return prefix + [UInt8(rest)] + text.utf8
}
