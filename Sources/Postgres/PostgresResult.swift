import CPostgres

/// The rows that one statement answered, in binary. Owns them; freed in `deinit`.
///
/// Immutable, so it may leave the loop that it came from.
package final class PostgresResult: @unchecked Sendable {
  private let raw: OpaquePointer
  package let rowCount: Int
  package let columnCount: Int

  init(owning raw: OpaquePointer) {
    self.raw = raw
    rowCount = Int(PQntuples(raw))
    columnCount = Int(PQnfields(raw))
  }

  deinit {
    PQclear(raw)
  }

  /// How many rows an INSERT, UPDATE, DELETE, SELECT or COPY touched; 0 for anything else.
  package var affectedRows: Int { PQcmdTuples(raw).flatMap { Int(String(cString: $0)) } ?? 0 }

  /// What the server did: `INSERT 0 1`, `COMMIT`.
  var commandTag: String { PQcmdStatus(raw).map { String(cString: $0) } ?? "" }

  // MARK: Cells; every one throws `PostgresError` (`decoding`) for a NULL, another type or a cell that is not there

  /// An `int8`, or anything that widens to it (`int4`, `int2`, `oid`, `xid8`).
  package func int64(_ row: Int, _ column: Int) throws -> Int64 {
    try integer(present(row, column), row, column)
  }

  package func optionalInt64(_ row: Int, _ column: Int) throws -> Int64? {
    try cell(row, column).map { try integer($0, row, column) }
  }

  package func int32(_ row: Int, _ column: Int) throws -> Int32 {
    try Int32(exactly: int64(row, column)) ?? refuse(row, column, "does not fit 32 bits")
  }

  package func bool(_ row: Int, _ column: Int) throws -> Bool {
    try present(row, column, of: TypeID.bool, size: 1)[0] != 0
  }

  /// A `float8` or `float4`.
  package func double(_ row: Int, _ column: Int) throws -> Double {
    let bytes = try present(row, column)
    switch (type(column), bytes.count) {
    case (TypeID.double, 8): return Double(bitPattern: bytes.bigEndian(at: 0))
    case (TypeID.float, 4): return Double(Float(bitPattern: bytes.bigEndian(at: 0)))
    default: return try refuse(row, column, "is not a number")
    }
  }

  package func text(_ row: Int, _ column: Int) throws -> String {
    try string(present(row, column), row, column)
  }

  package func optionalText(_ row: Int, _ column: Int) throws -> String? {
    try cell(row, column).map { try string($0, row, column) }
  }

  package func timestamp(_ row: Int, _ column: Int) throws -> Timestamp {
    try optionalTimestamp(row, column) ?? refuse(row, column, "is NULL")
  }

  package func optionalTimestamp(_ row: Int, _ column: Int) throws -> Timestamp? {
    guard let bytes = try cell(row, column) else { return nil }
    guard type(column) == TypeID.timestamp, bytes.count == 8 else {
      return try refuse(row, column, "is no timestamptz")
    }
    return try Timestamp(wireValue: bytes.bigEndian(at: 0)) ?? refuse(row, column, "is too far in the future")
  }

  package func bytes(_ row: Int, _ column: Int) throws -> [UInt8] {
    try Array(present(row, column))
  }

  package func int64Array(_ row: Int, _ column: Int) throws -> [Int64] {
    try elements(row, column, of: TypeID.int64) { $0.count == 8 ? $0.bigEndian(at: 0) : nil }
  }

  package func textArray(_ row: Int, _ column: Int) throws -> [String] {
    try elements(row, column, of: TypeID.text) { String(validating: $0, as: UTF8.self) }
  }

  /// Lends the cell's bytes as the server sent them, whatever its type.
  package func withBytes<Result>(
    _ row: Int, _ column: Int, _ body: (UnsafeRawBufferPointer) throws -> Result
  ) throws -> Result {
    try body(present(row, column))
  }

  package func isNull(_ row: Int, _ column: Int) throws -> Bool {
    try cell(row, column) == nil
  }

  // MARK: What they are made of

  private func type(_ column: Int) -> UInt32 { PQftype(raw, Int32(truncatingIfNeeded: column)) }

  private func cell(_ row: Int, _ column: Int) throws -> UnsafeRawBufferPointer? {
    guard row >= 0, row < rowCount, column >= 0, column < columnCount else {
      return try refuse(row, column, "is not there")
    }
    let (row, column) = (Int32(truncatingIfNeeded: row), Int32(truncatingIfNeeded: column))
    if PQgetisnull(raw, row, column) != 0 { return nil }
    return UnsafeRawBufferPointer(start: PQgetvalue(raw, row, column), count: Int(PQgetlength(raw, row, column)))
  }

  private func present(_ row: Int, _ column: Int) throws -> UnsafeRawBufferPointer {
    try cell(row, column) ?? refuse(row, column, "is NULL")
  }

  private func present(_ row: Int, _ column: Int, of type: UInt32, size: Int) throws -> UnsafeRawBufferPointer {
    let bytes = try present(row, column)
    guard self.type(column) == type, bytes.count == size else { return try refuse(row, column, "has another type") }
    return bytes
  }

  private func integer(_ bytes: UnsafeRawBufferPointer, _ row: Int, _ column: Int) throws -> Int64 {
    switch (type(column), bytes.count) {
    case (TypeID.int64, 8), (TypeID.transactionID, 8): return bytes.bigEndian(at: 0)
    case (TypeID.int32, 4): return Int64(bytes.bigEndian(at: 0) as Int32)
    case (TypeID.int16, 2): return Int64(bytes.bigEndian(at: 0) as Int16)
    case (TypeID.oid, 4): return Int64(bytes.bigEndian(at: 0) as UInt32)
    default: return try refuse(row, column, "is no integer")
    }
  }

  private func string(_ bytes: UnsafeRawBufferPointer, _ row: Int, _ column: Int) throws -> String {
    switch type(column) {
    case TypeID.text, TypeID.varchar, TypeID.name, TypeID.blankPadded, TypeID.char, TypeID.json,
      TypeID.unknownLiteral, TypeID.firstOfUsers...:
      return try String(validating: bytes, as: UTF8.self) ?? refuse(row, column, "is not UTF-8")
    default: return try refuse(row, column, "is no text")
    }
  }

  private func elements<Element>(
    _ row: Int, _ column: Int, of type: UInt32, _ decode: (UnsafeRawBufferPointer) -> Element?
  ) throws -> [Element] {
    var reader = WireReader(try present(row, column))
    do {
      return try reader.array(of: type, decode)
    } catch {
      return try refuse(row, column, "is not such an array")
    }
  }

  private func refuse<Value>(_ row: Int, _ column: Int, _ reason: String) throws -> Value {
    // libpq complains about a column that is not there through its connection, which may be gone.
    let isThere = column >= 0 && column < columnCount
    let name = isThere ? PQfname(raw, Int32(column)).map { String(cString: $0) } : nil
    throw PostgresError(.decoding, "column \(name ?? "\(column)") of row \(row) \(reason)")
  }
}

extension UnsafeRawBufferPointer {
  /// The integer at an offset; the caller has checked the bounds.
  func bigEndian<Value: FixedWidthInteger>(at offset: Int) -> Value {
    Value(bigEndian: loadUnaligned(fromByteOffset: offset, as: Value.self))
  }
}
