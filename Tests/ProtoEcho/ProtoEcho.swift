import Proto

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// The other end of Tests/Foreign/test_messages.py: reads messages on standard input, decodes and encodes each, and answers
/// the bytes on standard output.
///
///     request:  | name length, 4 bytes | name of the type | length, 4 bytes | bytes |
///     response: | 0 for bytes, 1 for the text of an error | length, 4 bytes | bytes |
///
/// Lengths are little-endian. An empty name asks for the names of all types, one a line.
@main
struct ProtoEcho {
  static func main() {
    while let name = readFrame(), let body = readFrame() {
      do {
        write(0, try answer(String(decoding: name, as: UTF8.self), body))
      } catch {
        write(1, Array(error.description.utf8))
      }
    }
  }

  private static func answer(_ name: String, _ body: [UInt8]) throws(ProtoError) -> [UInt8] {
    guard !name.isEmpty else {
      return Array(ProtoRegistry.messages.keys.sorted().joined(separator: "\n").utf8)
    }
    guard let type = ProtoRegistry.messages[name] else { throw .otherType(url: name) }
    return try type.init(decoding: body).encoded()
  }

  /// A length and as many bytes; nil at the end of the input.
  private static func readFrame() -> [UInt8]? {
    guard let length = read(4) else { return nil }
    return read(length.reversed().reduce(0) { $0 << 8 | Int($1) })
  }

  private static func read(_ count: Int) -> [UInt8]? {
    var bytes = [UInt8](repeating: 0, count: count)
    return fread(&bytes, 1, count, input) == count ? bytes : nil
  }

  private static func write(_ status: UInt8, _ bytes: [UInt8]) {
    let length = (0..<4).map { UInt8(truncatingIfNeeded: bytes.count >> ($0 * 8)) }
    let frame = [status] + length + bytes
    var sent = 0
    while sent < frame.count {
      let written = frame[sent...].withUnsafeBytes { Glibc.write(1, $0.baseAddress, $0.count) }
      guard written > 0 else { exit(1) }
      sent += written
    }
  }

  /// Standard input, buffered; `stdin` itself is a mutable global.
  nonisolated(unsafe) private static let input = fdopen(0, "rb")
}
