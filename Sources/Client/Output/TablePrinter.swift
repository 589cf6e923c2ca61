/// Aligned columns with a header:
///
///     USER ID  SEGMENT SLUG  OUTCOME
///          42  BETA          ASSIGNED
///
/// The first rows settle the widths, so that a table can be written as it arrives; a later cell that is wider pushes its row.
struct TablePrinter {
  private static let gap = "  "

  private let columns: [Column]
  private var widths: [Int] = []

  init(_ columns: [Column]) {
    self.columns = columns
  }

  /// Appends the rows, at first with the header.
  mutating func append(_ rows: [[String]], to buffer: inout [UInt8]) {
    let rows = rows.map { $0.map(Text.printable) }
    if widths.isEmpty {
      let header = columns.map { $0.name.uppercased().replacing("_", with: " ") }
      widths = header.map(\.count)
      for row in rows {
        for (index, cell) in row.enumerated() { widths[index] = max(widths[index], cell.count) }
      }
      append(row: header, to: &buffer)
    }
    for row in rows { append(row: row, to: &buffer) }
  }

  private func append(row: [String], to buffer: inout [UInt8]) {
    var line = ""
    for (index, cell) in row.enumerated() {
      if index > 0 { line += Self.gap }
      let padding = String(repeating: " ", count: max(0, widths[index] - cell.count))
      line += columns[index].isNumber ? padding + cell : cell + padding
    }
    while line.last == " " { line.removeLast() }
    buffer.append(contentsOf: line.utf8)
    buffer.append(UInt8(ascii: "\n"))
  }
}
