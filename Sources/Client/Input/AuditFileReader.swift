import Contract
import Digest
import Proto

/// Counts and digests the records of an exported file, CSV or JSON lines, piece by piece.
struct AuditFileReader {
  /// Bytes of the longest line of JSON: actor, request id and slug are short.
  private static let longestLine = 16 << 10

  enum Format: String, Sendable {
    case csv, jsonl
  }

  /// What a file turned out to be.
  struct Summary: Sendable {
    let format: Format
    let count: Int64
    /// Bytes that were read.
    let length: Int64
    /// SHA-256 of these bytes, in hexadecimal.
    let digest: String
    /// SHA-256 of the records as CSV lines, what the server sends at a stream's end, in hexadecimal.
    let recordsDigest: String
  }

  private let limit: Int64
  private let bytes: SHA256
  private let records: SHA256
  private var format: Format?
  private var beginning: [UInt8] = []
  private var length: Int64 = 0
  private var count: Int64 = 0
  private var last: UInt8?
  private var splitter = LineSplitter(limit: AuditFileReader.longestLine)
  private var line = AuditLine()

  /// - Parameter limit: Bytes that belong to the export; what is behind them is left out.
  /// - Throws: `SHA256.Unavailable`
  init(limit: Int64 = .max) throws(SHA256.Unavailable) {
    self.limit = limit
    bytes = try SHA256()
    records = try SHA256()
  }

  /// - Throws: `Failure` for what is not an export.
  mutating func feed(_ piece: [UInt8]) throws {
    let piece = Int64(piece.count) <= limit - length ? piece : Array(piece.prefix(Int(limit - length)))
    guard !piece.isEmpty else { return }
    bytes.update(piece)
    length += Int64(piece.count)
    last = piece.last
    if format != nil { return try take(piece) }
    beginning += piece
    try recognise(isWhole: false)
  }

  /// - Throws: `Failure` for what is not an export.
  mutating func finish() throws -> Summary {
    if format == nil { try recognise(isWhole: true) }
    if let last, last != UInt8(ascii: "\n") { throw Failure(.badInput, "the last line has no end") }
    return Summary(
      format: format ?? .jsonl, count: count, length: length, digest: Text.hex(bytes.finish()),
      recordsDigest: Text.hex(records.finish()))
  }

  private mutating func recognise(isWhole: Bool) throws {
    let header = Array(AuditLine.header.utf8)
    guard beginning.count >= header.count || isWhole else { return }
    let rest: [UInt8]
    if beginning.starts(with: header) {
      format = .csv
      rest = Array(beginning[header.count...])
    } else if beginning.first == UInt8(ascii: "{") || beginning.isEmpty {
      format = .jsonl
      rest = beginning
    } else {
      throw Failure(.badInput, "this is neither CSV nor JSON lines of segctl audit stream")
    }
    beginning = []
    try take(rest)
  }

  private mutating func take(_ piece: [UInt8]) throws {
    switch format {
    case .csv:
      records.update(piece)
      for byte in piece where byte == UInt8(ascii: "\n") { count += 1 }
    case .jsonl:
      var lines: [UInt8] = []
      var number = count
      var formatter = line
      try splitter.feed(piece) { text in
        number += 1
        guard !text.isTooLong, let record = AuditJSONRecord.parse(text.bytes) else {
          throw Failure(.badInput, "line \(Text.grouped(number)) is not a record of the audit log")
        }
        formatter.append(record, to: &lines)
      }
      count = number
      line = formatter
      records.update(lines)
    case nil: break
    }
  }
}
