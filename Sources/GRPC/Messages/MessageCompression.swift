/// How one message is to be compressed.
struct MessageCompression {
  let codec: MessageCodec
  let encoding: MessageEncoding
  /// Messages below this many bytes are sent as they are, and so are those that would not become smaller; nil compresses all.
  var threshold: Int?

  /// Compresses what the buffer holds from `start` on, in place.
  /// - Returns: Whether it did.
  func compress(_ buffer: inout [UInt8], from start: Int) throws(RPCError) -> Bool {
    let count = buffer.count - start
    if let threshold, count < threshold { return false }
    var compressed: Result<[UInt8], RPCError> = .success([])
    buffer.withUnsafeBytes { bytes in
      compressed = Result { () throws(RPCError) in try codec.compress(.init(rebasing: bytes[start...]), encoding) }
    }
    let smaller = try compressed.get()
    if threshold != nil, smaller.count >= count { return false }
    buffer.replaceSubrange(start..., with: smaller)
    return true
  }
}
