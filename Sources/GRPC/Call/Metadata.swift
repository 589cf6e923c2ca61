import HTTP2

/// The custom metadata of a call, in order; names may repeat. A name that ends in `-bin` carries bytes, in base64 on the wire.
package struct Metadata: Sendable {
  package private(set) var fields: [(name: String, value: String)] {
    get { list ?? [] }
    set { list = newValue.isEmpty ? nil : newValue }
  }

  /// Nil when there are none, as in most calls: that costs less to copy and to destroy than an empty array.
  private var list: [(name: String, value: String)]?

  package init() {}

  package init(_ fields: KeyValuePairs<String, String>) {
    for (name, value) in fields { append(name, value) }
  }

  package mutating func append(_ name: String, _ value: String) {
    append((name.lowercased(), value))
  }

  /// - Parameter name: Ends in `-bin`.
  package mutating func append(_ name: String, bytes: [UInt8]) {
    append((name.lowercased(), Base64.encode(bytes)))
  }

  package var isEmpty: Bool { list == nil }

  /// The first value of a name.
  package subscript(_ name: String) -> String? {
    fields.first { $0.name == name }?.value
  }

  /// The first bytes of a name that ends in `-bin`; nil when it is missing or not base64.
  package func bytes(_ name: String) -> [UInt8]? {
    allBytes(name).first
  }

  /// All bytes of a name that ends in `-bin`: it may repeat, and each value may join several with commas (gRPC over HTTP/2,
  /// "Custom-Metadata"). What is not base64 is left out.
  package func allBytes(_ name: String) -> [[UInt8]] {
    fields.filter { $0.name == name }.flatMap { field in
      field.value.split(separator: ",", omittingEmptySubsequences: false).compactMap {
        Base64.decode(String($0.drop { $0 == " " }))
      }
    }
  }

  static func + (first: Metadata, second: Metadata) -> Metadata {
    var sum = first
    sum.fields += second.fields
    return sum
  }

  mutating func append(name: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer) {
    append((String(decoding: name, as: UTF8.self), String(decoding: value, as: UTF8.self)))
  }

  private mutating func append(_ field: (name: String, value: String)) {
    if list == nil { list = [field] } else { list?.append(field) }
  }

  func write(to headers: inout HeaderBlock) {
    for field in fields { headers.append(field.name, field.value) }
  }
}
