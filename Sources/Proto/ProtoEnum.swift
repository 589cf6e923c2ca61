/// A protobuf enum: an Int32 with names for the values that the protos know. Any other value survives.
package protocol ProtoEnum: RawRepresentable<Int32>, CaseIterable, Hashable, Sendable, CustomStringConvertible
where AllCases == [Self] {
  /// The number on the wire.
  init(rawValue: Int32)

  /// The name in the protos without the prefix that its enum's values share, such as `ASSIGN`; the number as decimal
  /// digits for a value that the protos do not know.
  var name: String { get }
}

extension ProtoEnum {
  /// The value of that `name`; nil when the protos have none of it.
  package init?(name: String) {
    guard let value = Self.allCases.first(where: { $0.name == name }) else { return nil }
    self = value
  }

  /// The `name`.
  package var description: String { name }
}
