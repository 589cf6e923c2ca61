/// A value bound to `$1`, `$2` ... of a statement, sent in binary with its type.
package enum Parameter: Sendable {
  /// NULL of whatever type the statement wants there.
  case null
  case bool(Bool)
  case int32(Int32)
  case int64(Int64)
  case double(Double)
  /// The server refuses U+0000.
  case text(String)
  case bytes([UInt8])
  case timestamp(Timestamp)
  case int64Array([Int64])
  case optionalInt64Array([Int64?])
  case int32Array([Int32])
  case boolArray([Bool])
  case textArray([String])
  case optionalTextArray([String?])
  case optionalTimestampArray([Timestamp?])

  /// NULL when there is no value.
  package static func optionalInt64(_ value: Int64?) -> Parameter { value.map { .int64($0) } ?? .null }
  /// NULL when there is no value.
  package static func optionalText(_ value: String?) -> Parameter { value.map { .text($0) } ?? .null }
  /// NULL when there is no value.
  package static func optionalTimestamp(_ value: Timestamp?) -> Parameter { value.map { .timestamp($0) } ?? .null }
}

/// The object identifiers of the built-in types that we send and read (`pg_type.dat`, fixed for ever).
enum TypeID {
  static let unknown: UInt32 = 0
  static let bool: UInt32 = 16
  static let bytes: UInt32 = 17
  static let char: UInt32 = 18
  static let name: UInt32 = 19
  static let int64: UInt32 = 20
  static let int16: UInt32 = 21
  static let int32: UInt32 = 23
  static let text: UInt32 = 25
  static let oid: UInt32 = 26
  static let json: UInt32 = 114
  static let float: UInt32 = 700
  static let double: UInt32 = 701
  static let boolArray: UInt32 = 1000
  static let int32Array: UInt32 = 1007
  static let textArray: UInt32 = 1009
  static let int64Array: UInt32 = 1016
  static let blankPadded: UInt32 = 1042
  static let varchar: UInt32 = 1043
  static let timestampArray: UInt32 = 1185
  static let timestamp: UInt32 = 1184
  static let varcharArray: UInt32 = 1015
  static let unknownLiteral: UInt32 = 705
  static let transactionID: UInt32 = 5069
  /// The first identifier of types that are not built in: here our enumerations, which are text on the wire.
  static let firstOfUsers: UInt32 = 16384
}
