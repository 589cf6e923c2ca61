import Proto

/// The CSV of an import: a header with `user_id`, `segment_slug` and perhaps `expires_at` in any order, then a line for each
/// membership. A field may stand in quotes; no field goes over a line.
struct MembershipLines {
  /// Why a line is not a row, in words that follow its number.
  struct Malformed: Error, Equatable {
    let reason: String
  }

  /// Bytes of the longest line that can be a row.
  static let limit = 4096

  private enum Column: String, CaseIterable {
    case user = "user_id"
    case segment = "segment_slug"
    case expiry = "expires_at"
  }

  private let columns: [Column]

  /// - Throws: `Failure` when the line is not such a header.
  init(header: UnsafeRawBufferPointer) throws(Failure) {
    let bom: [UInt8] = [0xef, 0xbb, 0xbf]
    let text = header.starts(with: bom) ? UnsafeRawBufferPointer(rebasing: header[3...]) : header
    var columns: [Column] = []
    var fields = CSVFields(text)
    while let field = try? fields.next() {
      guard let name = field.utf8String, let column = Column(rawValue: name),
        !columns.contains(column)
      else { throw Self.noHeader }
      columns.append(column)
    }
    guard columns.contains(.user), columns.contains(.segment) else { throw Self.noHeader }
    self.columns = columns
  }

  static let noHeader = Failure(.badInput, "the first line is not the header user_id,segment_slug[,expires_at]")

  /// - Throws: `Malformed`. What is well formed is left to the server to judge.
  func row(_ line: UnsafeRawBufferPointer) throws(Malformed) -> ImportRow {
    var row = ImportRow()
    var fields = CSVFields(line)
    for column in columns {
      guard let field = try fields.next() else { throw wrongCount }
      switch column {
      case .user:
        guard let id = Self.number(field) else { throw .init(reason: "the user id is not a number of 64 bits") }
        row.userID = id
      case .segment:
        guard let slug = field.utf8String, !field.contains(0) else {
          throw .init(reason: "the slug is not UTF-8")
        }
        row.segment = slug
      case .expiry where field.isEmpty: break
      case .expiry:
        guard let instant = RFC3339.parse(field) else {
          throw .init(reason: "the expiry is not an RFC 3339 instant")
        }
        row.expiresAt = instant
      }
    }
    guard try fields.next() == nil else { throw wrongCount }
    return row
  }

  private var wrongCount: Malformed { Malformed(reason: "there are not \(columns.count) columns") }

  private static func number(_ field: UnsafeRawBufferPointer) -> Int64? {
    var digits = field[...]
    let isNegative = digits.first == UInt8(ascii: "-")
    if isNegative { digits = digits.dropFirst() }
    guard !digits.isEmpty, digits.count <= 20 else { return nil }
    var value: Int64 = 0
    for byte in digits {
      guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
      let (tens, tooLarge) = value.multipliedReportingOverflow(by: 10)
      let (next, overflow) = tens.subtractingReportingOverflow(Int64(byte - UInt8(ascii: "0")))
      guard !tooLarge, !overflow else { return nil }
      value = next
    }
    // Counted below zero, where there is one number more.
    return isNegative ? value : value == .min ? nil : -value
  }
}

extension UnsafeRawBufferPointer {
  /// nil when the bytes are not UTF-8.
  var utf8String: String? {
    withMemoryRebound(to: UInt8.self) { String(validating: $0, as: UTF8.self) }
  }
}
