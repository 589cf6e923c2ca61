/// Prints records of one type as they arrive; a table waits for the first ones, which settle the widths of its columns.
struct RecordPrinter<Row: Record>: ~Copyable {
  private static var rowsThatSettle: Int { 1000 }

  private let format: OutputFormat
  private let output: OutputFile
  private var rows: [Row] = []
  /// Nothing has been printed yet.
  private var isFirst = true
  private var table = TablePrinter(Row.columns)

  init(_ format: OutputFormat, to output: OutputFile) {
    self.format = format
    self.output = output
  }

  /// - Throws: `Failure`
  mutating func print(_ new: [Row]) async throws {
    guard !new.isEmpty else { return }
    var buffer: [UInt8] = []
    switch format {
    case .table:
      rows += new
      if rows.count >= Self.rowsThatSettle { flush(into: &buffer) }
    case .csv:
      if isFirst { CSVWriter.append(Row.columns.map(\.name), to: &buffer) }
      for row in new { CSVWriter.append(row.cells, to: &buffer) }
    case .jsonl:
      for row in new { buffer += try JSONText.compact(row) + "\n".utf8 }
    case .json:
      for (index, row) in new.enumerated() {
        buffer += (isFirst && index == 0 ? "[\n  " : ",\n  ").utf8
        buffer += try JSONText.compact(row)
      }
    }
    isFirst = false
    try await output.write(buffer)
  }

  private mutating func flush(into buffer: inout [UInt8]) {
    table.append(rows.map(\.cells), to: &buffer)
    rows.removeAll(keepingCapacity: true)
  }

  /// Prints what has waited after something failed; nothing when there was no record, for an empty list would be an answer.
  /// - Throws: `Failure`
  consuming func fail() async throws {
    if !isFirst { try await finish() }
  }

  /// Prints what has waited and waits until all is written.
  /// - Throws: `Failure`
  consuming func finish() async throws {
    var buffer: [UInt8] = []
    switch format {
    case .table:
      flush(into: &buffer)
    case .csv where isFirst: CSVWriter.append(Row.columns.map(\.name), to: &buffer)
    case .json: buffer += (isFirst ? "[]\n" : "\n]\n").utf8
    case .csv, .jsonl: break
    }
    try await output.write(buffer)
    try await output.finish()
  }
}

extension OutputFormat {
  /// Prints what the body gives to the printer; also what it gave before it failed, for that has been done.
  /// - Throws: `Failure`, what the body throws
  func print<Row: Record>(
    _ type: Row.Type, to output: OutputFile, _ body: (inout RecordPrinter<Row>) async throws -> Void
  ) async throws {
    var printer = RecordPrinter<Row>(self, to: output)
    do { try await body(&printer) } catch {
      try await printer.fail()
      throw error
    }
    try await printer.finish()
  }

  /// Prints some records.
  /// - Throws: `Failure`
  func print<Row: Record>(_ rows: [Row], to output: OutputFile) async throws {
    try await print(Row.self, to: output) { printer in try await printer.print(rows) }
  }

  /// Prints the one thing that a command answers: as JSON it is an object.
  /// - Throws: `Failure`
  func print(one row: some Record, to output: OutputFile) async throws {
    try await print(one: row, rows: [row], to: output)
  }

  /// The same, where tables and CSV have rows of their own.
  /// - Throws: `Failure`
  func print<Row: Record>(one document: some Encodable, rows: [Row], to output: OutputFile) async throws {
    switch self {
    case .table, .csv: return try await print(rows, to: output)
    case .json: try await output.write(try JSONText.pretty(document) + "\n".utf8)
    case .jsonl: try await output.write(try JSONText.compact(document) + "\n".utf8)
    }
    try await output.finish()
  }
}
