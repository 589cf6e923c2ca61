internal import CProto

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

extension Arena {
  /// Room for `count` values, not initialised.
  @inline(__always)
  mutating func room<Value>(_ count: Int, of type: Value.Type) throws(ProtoError) -> UnsafeMutablePointer<Value> {
    guard count < ProtoLimits.encoding, let block = allocate(count * MemoryLayout<Value>.stride) else {
      throw .tooLarge(limit: ProtoLimits.encoding)
    }
    return block.assumingMemoryBound(to: Value.self)
  }

  /// A NUL-terminated copy.
  @inline(__always)
  mutating func string(
    _ string: String, _ field: @autoclosure () -> StaticString
  ) throws(ProtoError) -> UnsafeMutablePointer<CChar> {
    var string = string
    let count = string.utf8.count
    let copy = try room(count + 1, of: CChar.self)
    string.withUTF8 { utf8 in
      if let source = utf8.baseAddress {
        UnsafeMutableRawPointer(copy).copyMemory(from: source, byteCount: utf8.count)
      }
    }
    copy[count] = 0
    guard memchr(copy, 0, count) == nil else { throw .containsNUL(field: "\(field())") }
    return copy
  }

  /// A repeated string field.
  mutating func strings(
    _ strings: [String], _ field: @autoclosure () -> StaticString
  ) throws(ProtoError) -> UnsafeMutablePointer<UnsafeMutablePointer<CChar>?> {
    let pointers = try room(strings.count, of: UnsafeMutablePointer<CChar>?.self)
    for (index, element) in strings.enumerated() {
      pointers[index] = try string(element, field())
    }
    return pointers
  }

  /// A copy of bytes.
  @inline(__always)
  mutating func bytes(_ bytes: [UInt8]) throws(ProtoError) -> ProtobufCBinaryData {
    ProtobufCBinaryData(len: bytes.count, data: try scalars(bytes))
  }

  /// A repeated bytes field.
  mutating func bytes(_ elements: [[UInt8]]) throws(ProtoError) -> UnsafeMutablePointer<ProtobufCBinaryData> {
    let copies = try room(elements.count, of: ProtobufCBinaryData.self)
    for (index, element) in elements.enumerated() {
      copies[index] = try bytes(element)
    }
    return copies
  }

  /// A repeated number field.
  @inline(__always)
  mutating func scalars<Scalar: BitwiseCopyable>(
    _ scalars: [Scalar]
  ) throws(ProtoError) -> UnsafeMutablePointer<Scalar> {
    let copy = try room(scalars.count, of: Scalar.self)
    scalars.withUnsafeBufferPointer { source in
      _ = UnsafeMutableBufferPointer(start: copy, count: source.count).update(fromContentsOf: source)
    }
    return copy
  }

  /// A repeated enum field; `Value` is the C enum, which has the layout of an Int32.
  @inline(__always)
  mutating func enums<Enum: ProtoEnum, Value>(
    _ enums: [Enum], as type: Value.Type
  ) throws(ProtoError) -> UnsafeMutablePointer<Value> {
    let copy = try room(enums.count, of: Int32.self)
    for (index, element) in enums.enumerated() {
      copy[index] = element.rawValue
    }
    return UnsafeMutableRawPointer(copy).assumingMemoryBound(to: Value.self)
  }

  /// A message field.
  @inline(__always)
  mutating func message<Message: CMessage>(
    _ message: Message
  ) throws(ProtoError) -> UnsafeMutablePointer<Message.CStruct> {
    let c = try room(1, of: Message.CStruct.self)
    Message.initialise(c)
    try message.write(to: c, &self)
    return c
  }

  /// A repeated message field.
  @inline(__always)
  mutating func messages<Message: CMessage>(
    _ messages: [Message]
  ) throws(ProtoError) -> UnsafeMutablePointer<UnsafeMutablePointer<Message.CStruct>?> {
    let pointers = try room(messages.count, of: UnsafeMutablePointer<Message.CStruct>?.self)
    for (index, element) in messages.enumerated() {
      pointers[index] = try message(element)
    }
    return pointers
  }
}

/// The keys of a map in the order of their UTF-8 bytes, so that equal maps become equal bytes.
func sortedKeys<Value>(_ map: [String: Value]) -> [String] {
  map.keys.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
}
