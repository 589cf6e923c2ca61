/// Compresses and decompresses the messages of all calls of one loop: a call owns nothing for it. What zlib needs is made when
/// the first message needs it. Confined to its loop.
package final class MessageCodec: @unchecked Sendable {
  private var inflaters: [MessageEncoding: Inflater] = [:]
  private var deflaters: [MessageEncoding: Deflater] = [:]

  package init() {}

  /// The bytes of a message that arrived.
  /// - Parameters:
  ///   - encoding: What the call's `grpc-encoding` says; nil for identity.
  ///   - limit: The most bytes that a message may have.
  /// - Throws: `RPCError` RESOURCE_EXHAUSTED when it would become larger, INTERNAL when it cannot be decompressed.
  func open(_ message: WireMessage, _ encoding: MessageEncoding?, limit: Int) throws(RPCError) -> [UInt8] {
    guard message.isCompressed else { return message.bytes }
    guard let encoding else { throw .compressedWithoutEncoding }
    let inflater: Inflater
    if let kept = inflaters[encoding] {
      inflater = kept
    } else {
      inflater = try Inflater(encoding)
      inflaters[encoding] = inflater
    }
    return try inflater.decompress(message.bytes, limit: limit)
  }

  /// - Throws: `RPCError` INTERNAL when memory runs out.
  func compress(_ bytes: UnsafeRawBufferPointer, _ encoding: MessageEncoding) throws(RPCError) -> [UInt8] {
    let deflater: Deflater
    if let kept = deflaters[encoding] {
      deflater = kept
    } else {
      deflater = try Deflater(encoding)
      deflaters[encoding] = deflater
    }
    return try deflater.compress(bytes)
  }
}

extension RPCError {
  static let compressedWithoutEncoding = RPCError(
    .internalError, "a compressed message in a call whose grpc-encoding does not say how")
}
