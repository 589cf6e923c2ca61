/// How the messages of one type become bytes and come back. The runtime knows messages only through this.
package struct MessageCoding<Message: Sendable>: Sendable {
  package let decode: @Sendable (UnsafeRawBufferPointer) throws -> Message
  package let encode: @Sendable (Message, inout [UInt8]) throws -> Void

  /// - Parameters:
  ///   - decode: Throws `RPCError` for bytes that are not such a message.
  ///   - encode: Appends the message to the buffer.
  package init(
    decode: @escaping @Sendable (UnsafeRawBufferPointer) throws -> Message,
    encode: @escaping @Sendable (Message, inout [UInt8]) throws -> Void
  ) {
    self.decode = decode
    self.encode = encode
  }

  /// Appends the message with its five-byte prefix (gRPC over HTTP/2, "Length-Prefixed-Message").
  /// On an error the buffer is as it was.
  /// - Parameter compression: How to compress it; nil sends it as it is.
  func frame(_ message: Message, into buffer: inout [UInt8], _ compression: MessageCompression? = nil) throws {
    let start = buffer.count
    // Room for a small message at once, instead of growing to it.
    if buffer.isEmpty { buffer.reserveCapacity(256) }
    for _ in 0..<MessagePrefix.length { buffer.append(0) }
    do {
      try encode(message, &buffer)
      let isCompressed = try compression?.compress(&buffer, from: start + MessagePrefix.length) ?? false
      let count = buffer.count - start - MessagePrefix.length
      MessagePrefix(isCompressed: isCompressed, count: count).write(to: &buffer, at: start)
    } catch {
      buffer.removeSubrange(start...)
      throw error
    }
  }
}

/// What precedes each message: a flag and a length, big endian.
struct MessagePrefix {
  static let length = 5

  var isCompressed: Bool
  /// 0 to 2^32 - 1.
  var count: Int

  func write(to buffer: inout [UInt8], at start: Int) {
    buffer[start] = isCompressed ? 1 : 0
    let big = UInt32(truncatingIfNeeded: count).bigEndian
    withUnsafeBytes(of: big) { for (index, byte) in $0.enumerated() { buffer[start + 1 + index] = byte } }
  }
}

/// One method of a service, with the types of its messages.
package struct MethodDescriptor<Request: Sendable, Response: Sendable>: Sendable {
  /// `/package.Service/Method`.
  package let path: String
  package let request: MessageCoding<Request>
  package let response: MessageCoding<Response>

  package init(path: String, request: MessageCoding<Request>, response: MessageCoding<Response>) {
    self.path = path
    self.request = request
    self.response = response
  }
}
