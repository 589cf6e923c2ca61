/// A protobuf message: a value type generated from `protos/`, decoded from and encoded to its protobuf-c struct.
///
/// Nothing of protobuf-c shows: decoding copies everything out, and the C memory is the thread's own scratch (`Arena`).
package protocol ProtoMessage: Hashable, Sendable {
  /// A message with every field at its proto3 default.
  init()

  /// The name in the protos, such as `segmentation.v1.Segment`.
  static var fullName: String { get }

  /// Decodes one message. Fields that the protos do not know are dropped; enum values they do not know survive.
  ///
  /// What protobuf-c does otherwise than the specification, and no encoder is known to need: a known field of another wire
  /// type, and a group, are malformed; of a message that comes in two parts, numbers are those of the last part.
  ///
  /// - Parameters:
  ///   - bytes: The whole message. Not kept.
  ///   - memoryLimit: The most bytes of scratch memory that decoding may take. A hostile message of two-byte
  ///     submessages takes some fifty times its own size.
  /// - Throws: `malformed`, `invalidUTF8`, `containsNUL` or `tooLarge`.
  static func decode(_ bytes: UnsafeRawBufferPointer, memoryLimit: Int) throws(ProtoError) -> Self

  /// Encodes the message straight into memory of the caller's.
  ///
  /// - Parameter place: Called once with the exact size in bytes; answers where they are to be written. The memory has to
  ///   stay valid until this call returns. Not called when an error is thrown.
  /// - Throws: `containsNUL` or `tooLarge` (2 GiB, protobuf's own limit).
  func encode(into place: (_ size: Int) -> UnsafeMutableRawPointer) throws(ProtoError)

  /// Encodes the message into scratch memory and lends it.
  ///
  /// - Parameters:
  ///   - prefix: This many bytes of room, not initialised, come before the message, for a header of the caller's.
  ///   - body: Gets the room and the message behind it; the memory is gone when it returns.
  /// - Throws: `containsNUL` or `tooLarge`.
  func withEncoded<R>(
    reserving prefix: Int, _ body: (_ bytes: UnsafeMutableRawBufferPointer) -> R
  ) throws(ProtoError) -> R
}

/// What decoding and encoding may take unless told otherwise.
package enum ProtoLimits {
  /// Bytes of scratch memory for decoding one message: 64 MiB, enough for any sensible message of 4 MiB.
  package static let decoding = 64 << 20

  /// Bytes of scratch memory for encoding one message, and the most that protobuf allows: 2 GiB.
  package static let encoding = Int(Int32.max)
}

extension ProtoMessage {
  /// Decodes one message within the default memory limit.
  ///
  /// - Throws: `malformed`, `invalidUTF8`, `containsNUL` or `tooLarge`.
  package static func decode(_ bytes: UnsafeRawBufferPointer) throws(ProtoError) -> Self {
    try decode(bytes, memoryLimit: ProtoLimits.decoding)
  }

  /// Decodes one message from an array.
  ///
  /// - Throws: `malformed`, `invalidUTF8`, `containsNUL` or `tooLarge`.
  package init(decoding bytes: [UInt8], memoryLimit: Int = ProtoLimits.decoding) throws(ProtoError) {
    let result = bytes.withUnsafeBytes { buffer in
      Result { () throws(ProtoError) in try Self.decode(buffer, memoryLimit: memoryLimit) }
    }
    self = try result.get()
  }

  /// The encoded message.
  ///
  /// - Throws: `containsNUL` or `tooLarge`.
  package func encoded() throws(ProtoError) -> [UInt8] {
    var bytes: [UInt8] = []
    try append(to: &bytes)
    return bytes
  }

  /// Appends the encoded message.
  ///
  /// - Parameters:
  ///   - bytes: What to append to; unchanged when an error is thrown.
  ///   - prefix: This many zero bytes are appended first, for a header that the caller fills in.
  /// - Throws: `containsNUL` or `tooLarge`.
  package func append(to bytes: inout [UInt8], reserving prefix: Int = 0) throws(ProtoError) {
    try withEncoded(reserving: prefix) { buffer in
      buffer[..<prefix].initializeMemory(as: UInt8.self, repeating: 0)
      bytes.append(contentsOf: buffer)
    }
  }
}
