import CNghttp2

/// An ordered list of header fields in one allocation; names are lower case (RFC 9113, section 8.2).
package struct HeaderBlock: Sendable, ExpressibleByDictionaryLiteral {
  private struct Field {
    let nameLength: Int
    let valueLength: Int
  }

  private var bytes: [UInt8] = []
  private var fields: [Field] = []

  package init() {}

  package init(dictionaryLiteral fields: (String, String)...) {
    for (name, value) in fields { append(name, value) }
  }

  package var count: Int { fields.count }

  package mutating func append(_ name: String, _ value: String) {
    let start = bytes.count
    bytes.append(contentsOf: name.utf8)
    let nameLength = bytes.count - start
    bytes.append(contentsOf: value.utf8)
    fields.append(Field(nameLength: nameLength, valueLength: bytes.count - start - nameLength))
  }

  package mutating func append(name: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer) {
    bytes.append(contentsOf: name)
    bytes.append(contentsOf: value)
    fields.append(Field(nameLength: name.count, valueLength: value.count))
  }

  /// Calls `body` with each field in order; the pointers are valid during the call.
  package func forEach(_ body: (_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> Void) {
    bytes.withUnsafeBytes { bytes in
      var start = 0
      for field in fields {
        let value = start + field.nameLength
        let end = value + field.valueLength
        body(.init(rebasing: bytes[start..<value]), .init(rebasing: bytes[value..<end]))
        start = end
      }
    }
  }

  /// Lends the list as nghttp2 takes it. nghttp2 copies names and values unless `flags` say otherwise.
  func withNameValues<Result>(
    flags: UInt8 = 0, _ body: (UnsafeMutablePointer<nghttp2_nv>?, Int) -> Result
  ) -> Result {
    withUnsafeTemporaryAllocation(of: nghttp2_nv.self, capacity: fields.count) { list in
      var next = 0
      forEach { name, value in
        list.initializeElement(at: next, to: nghttp2_nv(name: name, value: value, flags: flags))
        next += 1
      }
      return body(list.baseAddress, next)
    }
  }
}

extension nghttp2_nv {
  init(name: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer, flags: UInt8) {
    self.init(
      name: UnsafeMutablePointer(mutating: name.bindMemory(to: UInt8.self).baseAddress),
      value: UnsafeMutablePointer(mutating: value.bindMemory(to: UInt8.self).baseAddress),
      namelen: name.count, valuelen: value.count, flags: flags)
  }
}

/// Headers that never change: prepared once, sent without a copy. Make it a `static let`, as nghttp2 reads it until the frame
/// is serialised.
package final class PreparedHeaders: @unchecked Sendable {
  let fields: UnsafeMutableBufferPointer<nghttp2_nv>
  private let storage: UnsafeMutableRawBufferPointer

  package init(_ pairs: KeyValuePairs<String, String>) {
    let size = pairs.reduce(0) { $0 + $1.key.utf8.count + $1.value.utf8.count }
    storage = .allocate(byteCount: max(size, 1), alignment: 1)
    fields = .allocate(capacity: pairs.count)
    var next = 0
    for (index, (name, value)) in pairs.enumerated() {
      let names = UnsafeMutableRawBufferPointer(rebasing: storage[next..<next + name.utf8.count])
      names.copyBytes(from: name.utf8)
      next += names.count
      let values = UnsafeMutableRawBufferPointer(rebasing: storage[next..<next + value.utf8.count])
      values.copyBytes(from: value.utf8)
      next += values.count
      let flags = UInt8(NGHTTP2_NV_FLAG_NO_COPY_NAME.rawValue | NGHTTP2_NV_FLAG_NO_COPY_VALUE.rawValue)
      fields.initializeElement(
        at: index, to: nghttp2_nv(name: .init(names), value: .init(values), flags: flags))
    }
  }

  /// Lends the fields with the last one's value replaced, which nghttp2 copies.
  /// - Parameter isFirst: Whether the connection has not sent this field before. The first one goes into the table of what later
  ///   ones may refer to, for the sake of its name; the others do not, as a value is never the same again.
  func withLastValue<Result>(
    _ value: UnsafeRawBufferPointer, isFirst: Bool, _ body: (UnsafeMutablePointer<nghttp2_nv>?, Int) -> Result
  ) -> Result {
    withUnsafeTemporaryAllocation(of: nghttp2_nv.self, capacity: fields.count) { list in
      for (index, field) in fields.enumerated() { list.initializeElement(at: index, to: field) }
      if let last = list.indices.last {
        list[last].value = UnsafeMutablePointer(mutating: value.bindMemory(to: UInt8.self).baseAddress)
        list[last].valuelen = value.count
        list[last].flags = UInt8(
          NGHTTP2_NV_FLAG_NO_COPY_NAME.rawValue | (isFirst ? 0 : NGHTTP2_NV_FLAG_NO_INDEX.rawValue))
      }
      return body(list.baseAddress, list.count)
    }
  }

  deinit {
    fields.deallocate()
    storage.deallocate()
  }
}
