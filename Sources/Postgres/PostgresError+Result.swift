import CPostgres

/// The fields of an error report (`PG_DIAG_*`, which are character constants that Swift does not import).
enum DiagnosticField {
  static let severity = code("V")
  static let sqlState = code("C")
  static let message = code("M")
  static let constraint = code("n")
  static let routine = code("R")

  private static func code(_ letter: Unicode.Scalar) -> Int32 { Int32(letter.value) }
}

extension PostgresError {
  /// The error that a result reports; the loss of the connection when the server ended it or libpq lost it.
  init(_ result: OpaquePointer, on wire: Wire) {
    func field(_ code: Int32) -> String? { PQresultErrorField(result, code).map { String(cString: $0) } }
    let state = field(DiagnosticField.sqlState)
    let isFatal = ["FATAL", "PANIC"].contains(field(DiagnosticField.severity))
    let message = field(DiagnosticField.message) ?? wire.message
    self.init(
      isFatal || state == nil ? .connectionLost : .server, message, sqlState: state.map(SQLState.init(rawValue:)),
      constraint: field(DiagnosticField.constraint))
    if field(DiagnosticField.routine) == "RevalidateCachedQuery" { wantsNewPlan = true }
  }
}
