/// Frames and header blocks as a client writes them, right or wrong.
enum Wire {
  static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)

  static func frame(_ type: UInt8, flags: UInt8 = 0, stream: UInt32 = 0, _ payload: [UInt8] = []) -> [UInt8] {
    [UInt8(payload.count >> 16 & 255), UInt8(payload.count >> 8 & 255), UInt8(payload.count & 255), type, flags]
      + big(stream) + payload
  }

  /// HPACK literals without indexing and without Huffman coding.
  static func block(_ fields: [(String, [UInt8])]) -> [UInt8] {
    fields.flatMap { [0] + literal(Array($0.0.utf8)) + literal($0.1) }
  }

  static func big(_ number: UInt32) -> [UInt8] { withUnsafeBytes(of: number.bigEndian) { Array($0) } }

  static func message(_ bytes: [UInt8], flag: UInt8 = 0) -> [UInt8] { [flag] + big(UInt32(bytes.count)) + bytes }

  private static func literal(_ bytes: [UInt8]) -> [UInt8] {
    guard bytes.count >= 127 else { return [UInt8(bytes.count)] + bytes }
    var rest = bytes.count - 127
    var prefix: [UInt8] = [127]
    while rest >= 128 {
      prefix.append(UInt8(rest & 127) | 128)
      rest >>= 7
    }
    return prefix + [UInt8(rest)] + bytes
  }
}
