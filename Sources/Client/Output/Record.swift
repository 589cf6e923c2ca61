/// Something that is printed: as a row of a table or CSV, or as a JSON object whose fields are named in snake_case.
protocol Record: Encodable, Sendable {
  /// The columns, as the fields of the JSON are named.
  static var columns: [Column] { get }

  /// A text for each column; empty for what is not there.
  var cells: [String] { get }
}

/// A column of a table.
struct Column: Sendable, ExpressibleByStringLiteral {
  let name: String
  /// Numbers stand at the right.
  let isNumber: Bool

  init(_ name: String, isNumber: Bool = false) {
    self.name = name
    self.isNumber = isNumber
  }

  init(stringLiteral name: String) {
    self.init(name)
  }

  static func number(_ name: String) -> Column { Column(name, isNumber: true) }
}
