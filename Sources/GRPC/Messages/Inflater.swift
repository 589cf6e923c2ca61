import CZlib

/// Owns one of zlib's decompressors, which is used for one message after the other.
final class Inflater {
  /// What is decompressed before it is looked at whether that is too much.
  private static let step = 32 << 10

  private let stream: UnsafeMutablePointer<z_stream>
  private let encoding: MessageEncoding
  private let buffer = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: step)

  init(_ encoding: MessageEncoding) throws(RPCError) {
    self.encoding = encoding
    // zlib keeps the address of its stream: it must not move.
    stream = .allocate(capacity: 1)
    stream.initialize(to: z_stream())
    let code = inflateInit2_(
      stream, encoding.windowBits, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
    guard code == Z_OK else { throw RPCError(.internalError, "no memory to decompress a message") }
  }

  deinit {
    inflateEnd(stream)
    stream.deallocate()
    buffer.deallocate()
  }

  /// - Parameter limit: The most bytes that come out.
  /// - Throws: `RPCError` RESOURCE_EXHAUSTED as soon as there are more, INTERNAL for what is not in this coding.
  func decompress(_ bytes: [UInt8], limit: Int) throws(RPCError) -> [UInt8] {
    inflateReset(stream)
    var output: [UInt8] = []
    var failure: RPCError?
    bytes.withUnsafeBufferPointer { input in
      stream.pointee.next_in = UnsafeMutablePointer(mutating: input.baseAddress)
      stream.pointee.avail_in = UInt32(clamping: input.count)
      defer { stream.pointee.next_in = nil }
      do throws(RPCError) { try run(into: &output, limit: limit) } catch { failure = error }
    }
    if let failure { throw failure }
    return output
  }

  private func run(into output: inout [UInt8], limit: Int) throws(RPCError) {
    while true {
      stream.pointee.next_out = buffer.baseAddress
      stream.pointee.avail_out = UInt32(Self.step)
      let code = inflate(stream, Z_NO_FLUSH)
      let count = Self.step - Int(stream.pointee.avail_out)
      guard output.count + count <= limit else {
        throw RPCError(
          .resourceExhausted, "a compressed message is larger than the limit of \(limit) bytes",
          reason: .messageTooLarge)
      }
      output.append(contentsOf: buffer[..<count])
      switch code {
      case Z_OK where count > 0 || stream.pointee.avail_in > 0: continue
      case Z_STREAM_END where stream.pointee.avail_in == 0: return
      case Z_STREAM_END where encoding == .gzip:
        // A file of gzip may have several members (RFC 1952, section 2.2).
        inflateReset(stream)
      default:
        throw RPCError(.internalError, "a message is not in the coding that its call names: \(encoding.rawValue)")
      }
    }
  }
}
