/// Encodes the parameters of one statement into one buffer that is used again for the next. Confined to its loop.
final class ParameterEncoder {
  /// The protocol counts parameters in 16 bits.
  static let maximumCount = 65_535
  /// A larger buffer is given back after use.
  private static let keptCapacity = 1 << 20

  private var storage = UnsafeMutableRawPointer.allocate(byteCount: 4096, alignment: 16)
  private var capacity = 4096
  private var count = 0
  private var offsets: [Int] = []
  private var pointers: [UnsafePointer<CChar>?] = []
  private var lengths: [Int32] = []
  private var formats: [Int32] = []
  /// The type of each parameter, `TypeID.unknown` for NULL.
  private(set) var types: [UInt32] = []

  deinit {
    storage.deallocate()
  }

  /// - Parameter parameters: At most `maximumCount`.
  /// - Throws: `PostgresError` (`misuse`) when they are more bytes than the protocol can carry.
  func encode(_ parameters: [Parameter]) throws {
    reset()
    for parameter in parameters { append(parameter) }
    guard count <= Int32.max else { throw PostgresError(.misuse, "the parameters of a statement exceed 2 GiB") }
    for index in pointers.indices where offsets[index] >= 0 {
      pointers[index] = UnsafePointer((storage + offsets[index]).assumingMemoryBound(to: CChar.self))
    }
    while formats.count < parameters.count { formats.append(1) }
  }

  /// Lends what libpq wants: the number of parameters, where each is, its length and its format.
  func withEncoded<Result>(
    _ body: (Int32, UnsafePointer<UnsafePointer<CChar>?>?, UnsafePointer<Int32>?, UnsafePointer<Int32>?) -> Result
  ) -> Result {
    pointers.withUnsafeBufferPointer { pointers in
      lengths.withUnsafeBufferPointer { lengths in
        formats.withUnsafeBufferPointer { formats in
          body(Int32(pointers.count), pointers.baseAddress, lengths.baseAddress, formats.baseAddress)
        }
      }
    }
  }

  private func reset() {
    count = 0
    offsets.removeAll(keepingCapacity: true)
    pointers.removeAll(keepingCapacity: true)
    lengths.removeAll(keepingCapacity: true)
    types.removeAll(keepingCapacity: true)
    if capacity > Self.keptCapacity { resize(to: 4096) }
  }

  private func append(_ parameter: Parameter) {
    let start = count
    let type = write(parameter)
    types.append(type)
    pointers.append(nil)
    offsets.append(type == TypeID.unknown ? -1 : start)
    lengths.append(Int32(truncatingIfNeeded: count - start))
  }

  private func write(_ parameter: Parameter) -> UInt32 {
    switch parameter {
    case .null: return TypeID.unknown
    case .bool(let value):
      write(value)
      return TypeID.bool
    case .int32(let value):
      write(value)
      return TypeID.int32
    case .int64(let value):
      write(value)
      return TypeID.int64
    case .double(let value):
      write(value.bitPattern)
      return TypeID.double
    case .text(let value):
      write(value)
      return TypeID.text
    case .bytes(let value):
      value.withUnsafeBytes { write($0) }
      return TypeID.bytes
    case .timestamp(let value):
      write(value.wireValue)
      return TypeID.timestamp
    default: return writeArray(parameter)
    }
  }

  private func writeArray(_ parameter: Parameter) -> UInt32 {
    switch parameter {
    case .int64Array(let values):
      array(of: TypeID.int64, values) { fixed($0) }
      return TypeID.int64Array
    case .optionalInt64Array(let values):
      array(ofOptional: TypeID.int64, values) { fixed($0) }
      return TypeID.int64Array
    case .int32Array(let values):
      array(of: TypeID.int32, values) { fixed($0) }
      return TypeID.int32Array
    case .boolArray(let values):
      array(of: TypeID.bool, values) { element in
        write(Int32(1))
        write(element)
      }
      return TypeID.boolArray
    case .textArray(let values):
      array(of: TypeID.text, values) { sized($0) }
      return TypeID.textArray
    case .optionalTextArray(let values):
      array(ofOptional: TypeID.text, values) { sized($0) }
      return TypeID.textArray
    case .optionalTimestampArray(let values):
      array(ofOptional: TypeID.timestamp, values) { fixed($0.wireValue) }
      return TypeID.timestampArray
    default: return TypeID.unknown
    }
  }

  // MARK: Arrays (`array_recv`: dimensions, whether NULLs are in it, element type, then length and first index of each)

  private func array<Element>(of type: UInt32, _ values: [Element], _ element: (Element) -> Void) {
    header(of: type, count: values.count, hasNull: false)
    for value in values { element(value) }
  }

  private func array<Element>(ofOptional type: UInt32, _ values: [Element?], _ element: (Element) -> Void) {
    header(of: type, count: values.count, hasNull: values.contains { $0 == nil })
    for value in values {
      if let value { element(value) } else { write(Int32(-1)) }
    }
  }

  private func header(of type: UInt32, count elements: Int, hasNull: Bool) {
    write(Int32(elements == 0 ? 0 : 1))
    write(Int32(hasNull ? 1 : 0))
    write(type)
    guard elements > 0 else { return }
    write(Int32(truncatingIfNeeded: elements))
    write(Int32(1))
  }

  private func fixed<Value: FixedWidthInteger>(_ value: Value) {
    write(Int32(MemoryLayout<Value>.size))
    write(value)
  }

  private func sized(_ value: String) {
    write(Int32(truncatingIfNeeded: value.utf8.count))
    write(value)
  }

  // MARK: Bytes

  private func write<Value: FixedWidthInteger>(_ value: Value) {
    reserve(MemoryLayout<Value>.size)
    storage.storeBytes(of: value.bigEndian, toByteOffset: count, as: Value.self)
    count += MemoryLayout<Value>.size
  }

  private func write(_ value: Bool) {
    write(UInt8(value ? 1 : 0))
  }

  private func write(_ value: String) {
    var value = value
    value.withUTF8 { write(UnsafeRawBufferPointer($0)) }
  }

  private func write(_ bytes: UnsafeRawBufferPointer) {
    guard let base = bytes.baseAddress, !bytes.isEmpty else { return }
    reserve(bytes.count)
    (storage + count).copyMemory(from: base, byteCount: bytes.count)
    count += bytes.count
  }

  private func reserve(_ more: Int) {
    if count + more > capacity { resize(to: max(capacity * 2, count + more)) }
  }

  private func resize(to newCapacity: Int) {
    let grown = UnsafeMutableRawPointer.allocate(byteCount: newCapacity, alignment: 16)
    grown.copyMemory(from: storage, byteCount: count)
    storage.deallocate()
    storage = grown
    capacity = newCapacity
  }
}
