internal import CProto

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Copies a string that protobuf-c unpacked into an arena (or left at its default).
///
/// protobuf-c keeps no length and checks no encoding: the length is that of the arena's block, without the NUL at its end.
@inline(__always)
func readString(
  _ c: UnsafeMutablePointer<CChar>?, _ field: @autoclosure () -> StaticString
) throws(ProtoError) -> String {
  guard let c, c.pointee != 0 || c != emptyString else { return "" }
  let length = Arena.size(of: c) - 1
  // Not `String(validating:as:)`, which is generic and takes several times as long.
  if let result = String(validatingCString: c), result.utf8.count == length { return result }
  throw memchr(c, 0, length) == nil ? .invalidUTF8(field: "\(field())") : .containsNUL(field: "\(field())")
}

/// The bytes of a string that protobuf-c unpacked into an arena (or left at its default), lent for as long as that is there. Whether
/// they are UTF-8 is not looked at.
@inline(__always)
func readText(_ c: UnsafeMutablePointer<CChar>?) -> UnsafeRawBufferPointer {
  guard let c, c.pointee != 0 || c != emptyString else { return UnsafeRawBufferPointer(start: nil, count: 0) }
  return UnsafeRawBufferPointer(start: c, count: Arena.size(of: c) - 1)
}

/// What protobuf-c lets every unset string point to: a constant.
nonisolated(unsafe) private let emptyString: UnsafeMutablePointer<CChar>? = {
  var probe = Google__Rpc__Status()
  google__rpc__status__init(&probe)
  return probe.message
}()

/// Copies a repeated string field.
func readStrings(
  _ count: Int, _ c: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?, _ field: @autoclosure () -> StaticString
) throws(ProtoError) -> [String] {
  guard count > 0, let c else { return [] }
  var result: [String] = []
  result.reserveCapacity(count)
  for index in 0..<count {
    result.append(try readString(c[index], field()))
  }
  return result
}

/// Copies bytes.
@inline(__always)
func readBytes(_ c: ProtobufCBinaryData) -> [UInt8] {
  Array(UnsafeBufferPointer(start: c.data, count: c.len))
}

/// Copies a repeated bytes field.
func readBytes(_ count: Int, _ c: UnsafeMutablePointer<ProtobufCBinaryData>?) -> [[UInt8]] {
  UnsafeBufferPointer(start: c, count: c == nil ? 0 : count).map { readBytes($0) }
}

/// Copies a repeated number field.
@inline(__always)
func readScalars<Scalar: BitwiseCopyable>(_ count: Int, _ c: UnsafeMutablePointer<Scalar>?) -> [Scalar] {
  Array(UnsafeBufferPointer(start: c, count: c == nil ? 0 : count))
}

/// Copies a repeated enum field; `Value` is the C enum, which has the layout of an Int32.
@inline(__always)
func readEnums<Enum: ProtoEnum, Value>(_ count: Int, _ c: UnsafeMutablePointer<Value>?) -> [Enum] {
  guard count > 0, let c else { return [] }
  let raw = UnsafeRawPointer(c).assumingMemoryBound(to: Int32.self)
  return UnsafeBufferPointer(start: raw, count: count).map { Enum(rawValue: $0) }
}

/// Copies a message field; nil when it is not set.
@inline(__always)
func readMessage<Message: CMessage>(_ c: UnsafeMutablePointer<Message.CStruct>?) throws(ProtoError) -> Message? {
  guard let c else { return nil }
  return try Message(reading: c)
}

/// Copies a repeated message field.
@inline(__always)
func readMessages<Message: CMessage>(
  _ count: Int, _ c: UnsafeMutablePointer<UnsafeMutablePointer<Message.CStruct>?>?
) throws(ProtoError) -> [Message] {
  guard count > 0, let c else { return [] }
  var result: [Message] = []
  result.reserveCapacity(count)
  for index in 0..<count {
    guard let element = c[index] else { continue }
    result.append(try Message(reading: element))
  }
  return result
}
