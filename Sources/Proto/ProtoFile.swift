/// One file of the protos as server reflection answers it.
package struct ProtoFile: Hashable, Sendable {
  /// The name that it is imported by, such as `segmentation/v1/segment.proto`.
  package let name: String

  /// The names of the files that it imports.
  package let imports: [String]

  /// The full names of all that it declares: messages with their fields and oneofs, enums with their values, services with their
  /// methods.
  package let symbols: [String]

  /// The encoded google.protobuf.FileDescriptorProto, without comments.
  package var descriptor: [UInt8] { text.unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) } }

  /// The descriptor's bytes, a character of Latin-1 for each: a literal that the compiler takes quickly.
  private let text: String

  init(_ name: String, imports: [String], symbols: [String], text: String) {
    self.name = name
    self.imports = imports
    self.symbols = symbols
    self.text = text
  }
}
