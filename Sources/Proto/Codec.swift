internal import CProto

/// A message and the protobuf-c struct that carries it: what the generator writes for each message.
protocol CMessage: ProtoMessage {
  /// The struct that protoc-c made of the message.
  associatedtype CStruct

  /// Makes a struct with every field at its default.
  static func initialise(_ c: UnsafeMutablePointer<CStruct>)

  /// Copies a struct.
  init(reading c: UnsafePointer<CStruct>) throws(ProtoError)

  /// Fills in a struct that `initialise` made; what it points to is in the arena.
  func write(to c: UnsafeMutablePointer<CStruct>, _ arena: inout Arena) throws(ProtoError)
}

/// Decodes and encodes any message through its protobuf-c struct.
enum Codec {
  static func decode<Message: CMessage>(
    _ bytes: UnsafeRawBufferPointer, memoryLimit: Int
  ) throws(ProtoError) -> Message {
    try withUnpacked(bytes, memoryLimit: memoryLimit) { c throws(ProtoError) in try Message(reading: c) }
  }

  /// Unpacks a message and lends its struct.
  @inline(__always)
  static func withUnpacked<Message: CMessage>(
    _ bytes: UnsafeRawBufferPointer, memoryLimit: Int,
    _ body: (UnsafePointer<Message.CStruct>) throws(ProtoError) -> Message
  ) throws(ProtoError) -> Message {
    let arena = Arena.current
    let mark = arena.pointee.begin(limit: memoryLimit)
    defer { arena.pointee.end(mark) }
    let base = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self)
    guard let descriptor = descriptor(of: Message.self, &arena.pointee),
      let c = protobuf_c_message_unpack(descriptor, Arena.allocator(arena), bytes.count, base)
    else {
      throw arena.pointee.exhausted ? .tooLarge(limit: memoryLimit) : .malformed(message: Message.fullName)
    }
    return try body(UnsafeRawPointer(c).assumingMemoryBound(to: Message.CStruct.self))
  }

  static func encode<Message: CMessage>(
    _ message: Message, into place: (_ size: Int) -> UnsafeMutableRawPointer
  ) throws(ProtoError) {
    let arena = Arena.current
    let mark = arena.pointee.begin(limit: ProtoLimits.encoding)
    defer { arena.pointee.end(mark) }
    let c = try build(message, &arena.pointee)
    let size = protobuf_c_message_get_packed_size(c)
    guard size <= ProtoLimits.encoding else { throw .tooLarge(limit: ProtoLimits.encoding) }
    protobuf_c_message_pack(c, place(size).assumingMemoryBound(to: UInt8.self))
  }

  static func withEncoded<Message: CMessage, R>(
    _ message: Message, reserving prefix: Int, _ body: (UnsafeMutableRawBufferPointer) -> R
  ) throws(ProtoError) -> R {
    let arena = Arena.current
    let mark = arena.pointee.begin(limit: ProtoLimits.encoding)
    defer { arena.pointee.end(mark) }
    let c = try build(message, &arena.pointee)
    let size = protobuf_c_message_get_packed_size(c)
    guard size <= ProtoLimits.encoding, let room = arena.pointee.allocate(prefix + size) else {
      throw .tooLarge(limit: ProtoLimits.encoding)
    }
    protobuf_c_message_pack(c, (room + prefix).assumingMemoryBound(to: UInt8.self))
    return body(UnsafeMutableRawBufferPointer(start: room, count: prefix + size))
  }

  /// protobuf-c's description of a message, which an initialised struct points to: Swift cannot take the address of the C
  /// constant, and protoc-c makes no unpack function for a nested message.
  @inline(__always)
  private static func descriptor<Message: CMessage>(
    of type: Message.Type, _ arena: inout Arena
  ) -> UnsafePointer<ProtobufCMessageDescriptor>? {
    guard let c = arena.allocate(MemoryLayout<Message.CStruct>.size) else { return nil }
    Message.initialise(c.assumingMemoryBound(to: Message.CStruct.self))
    return c.assumingMemoryBound(to: ProtobufCMessage.self).pointee.descriptor
  }

  /// The message as a struct in the arena, seen as protobuf-c's base of all messages.
  @inline(__always)
  private static func build<Message: CMessage>(
    _ message: Message, _ arena: inout Arena
  ) throws(ProtoError) -> UnsafePointer<ProtobufCMessage> {
    let c = try arena.message(message)
    return UnsafeRawPointer(c).assumingMemoryBound(to: ProtobufCMessage.self)
  }
}
