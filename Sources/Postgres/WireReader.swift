/// Reads values one after the other from bytes in the server's binary form: the elements of an array, a row of COPY.
package struct WireReader {
  private let bytes: UnsafeRawBufferPointer
  private var offset = 0

  /// - Parameter bytes: Lent for as long as the reader is used.
  package init(_ bytes: UnsafeRawBufferPointer) {
    self.bytes = bytes
  }

  package var isAtEnd: Bool { offset == bytes.count }

  /// - Throws: `PostgresError` (`decoding`) when fewer bytes are left.
  package mutating func integer<Value: FixedWidthInteger>(_ type: Value.Type = Value.self) throws -> Value {
    guard bytes.count - offset >= MemoryLayout<Value>.size else { throw Self.truncated }
    defer { offset += MemoryLayout<Value>.size }
    return bytes.bigEndian(at: offset)
  }

  /// The next field: its length, then as many bytes; nil for NULL.
  /// - Throws: `PostgresError` (`decoding`) when fewer bytes are left.
  package mutating func field() throws -> UnsafeRawBufferPointer? {
    let length = Int(try integer(Int32.self))
    if length == -1 { return nil }
    guard length >= 0, bytes.count - offset >= length else { throw Self.truncated }
    defer { offset += length }
    return UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + length])
  }

  /// How many fields a row of COPY has; read first.
  package mutating func fieldCount() throws -> Int {
    Int(try integer(Int16.self))
  }

  package mutating func int64() throws -> Int64 {
    try optionalInt64() ?? Self.missing()
  }

  package mutating func optionalInt64() throws -> Int64? {
    guard let bytes = try field() else { return nil }
    switch bytes.count {
    case 8: return bytes.bigEndian(at: 0)
    case 4: return Int64(bytes.bigEndian(at: 0) as Int32)
    case 2: return Int64(bytes.bigEndian(at: 0) as Int16)
    default: throw PostgresError(.decoding, "a field of \(bytes.count) bytes is no integer")
    }
  }

  package mutating func bool() throws -> Bool {
    guard let bytes = try field() else { return try Self.missing() }
    guard bytes.count == 1 else { throw PostgresError(.decoding, "a field of \(bytes.count) bytes is no boolean") }
    return bytes[0] != 0
  }

  package mutating func text() throws -> String {
    try optionalText() ?? Self.missing()
  }

  package mutating func optionalText() throws -> String? {
    guard let bytes = try field() else { return nil }
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw PostgresError(.decoding, "a field is not UTF-8")
    }
    return text
  }

  package mutating func timestamp() throws -> Timestamp {
    try optionalTimestamp() ?? Self.missing()
  }

  package mutating func optionalTimestamp() throws -> Timestamp? {
    guard let bytes = try field() else { return nil }
    guard bytes.count == 8, let timestamp = Timestamp(wireValue: bytes.bigEndian(at: 0)) else {
      throw PostgresError(.decoding, "a field of \(bytes.count) bytes is no timestamptz within reach")
    }
    return timestamp
  }

  /// A one-dimensional array without NULLs (`array_send`).
  mutating func array<Element>(
    of type: UInt32, _ decode: (UnsafeRawBufferPointer) -> Element?
  ) throws -> [Element] {
    let dimensions = try integer(Int32.self)
    _ = try integer(Int32.self)
    let element = try integer(UInt32.self)
    guard element == type || (type == TypeID.text && element == TypeID.varchar) else { throw Self.truncated }
    guard dimensions > 0 else { return [] }
    guard dimensions == 1 else { throw Self.truncated }
    let count = Int(try integer(Int32.self))
    _ = try integer(Int32.self)
    guard count >= 0, count <= bytes.count / 4 else { throw Self.truncated }
    var elements: [Element] = []
    elements.reserveCapacity(count)
    for _ in 0..<count {
      guard let field = try field(), let value = decode(field) else { throw Self.truncated }
      elements.append(value)
    }
    return elements
  }

  private static let truncated = PostgresError(.decoding, "the server's bytes are not in the form that was expected")

  private static func missing<Value>() throws -> Value {
    throw PostgresError(.decoding, "a field is NULL")
  }
}
