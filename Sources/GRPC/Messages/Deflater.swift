import CZlib

/// Owns one of zlib's compressors (about 256 KiB), which is used for one message after the other.
package final class Deflater {
  /// The quickest: the other calls of the loop wait meanwhile.
  private static let level = Z_BEST_SPEED
  private static let memoryLevel: Int32 = 8
  private static let step = 32 << 10

  private let stream: UnsafeMutablePointer<z_stream>
  private let buffer = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: step)

  /// - Throws: `RPCError` INTERNAL when memory runs out.
  package init(_ encoding: MessageEncoding) throws(RPCError) {
    // zlib keeps the address of its stream: it must not move.
    stream = .allocate(capacity: 1)
    stream.initialize(to: z_stream())
    let code = deflateInit2_(
      stream, Self.level, Z_DEFLATED, encoding.windowBits, Self.memoryLevel, Z_DEFAULT_STRATEGY, ZLIB_VERSION,
      Int32(MemoryLayout<z_stream>.size))
    guard code == Z_OK else { throw RPCError(.internalError, "no memory to compress a message") }
  }

  deinit {
    deflateEnd(stream)
    stream.deallocate()
    buffer.deallocate()
  }

  /// All of it, as one piece that can be read by itself.
  /// - Throws: `RPCError` INTERNAL, which zlib has no reason for.
  package func compress(_ bytes: UnsafeRawBufferPointer) throws(RPCError) -> [UInt8] {
    deflateReset(stream)
    var output: [UInt8] = []
    let input = bytes.bindMemory(to: UInt8.self)
    stream.pointee.next_in = UnsafeMutablePointer(mutating: input.baseAddress)
    stream.pointee.avail_in = UInt32(clamping: input.count)
    defer { stream.pointee.next_in = nil }
    while true {
      stream.pointee.next_out = buffer.baseAddress
      stream.pointee.avail_out = UInt32(Self.step)
      let code = deflate(stream, Z_FINISH)
      output.append(contentsOf: buffer[..<(Self.step - Int(stream.pointee.avail_out))])
      if code == Z_STREAM_END { return output }
      guard code == Z_OK else { throw RPCError(.internalError, "a message cannot be compressed") }
    }
  }
}
