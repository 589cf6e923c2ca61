import CPostgres
import Logging

/// Owns one `PGconn`: a thin layer that turns libpq's codes into Swift values. Confined to its loop, never blocks.
///
/// After `close()` every call is harmless and fails.
final class Wire {
  /// What the next call of libpq gave.
  enum Received {
    /// The results of the current command are complete.
    case commandEnd
    case result(PostgresResult)
    case failed(PostgresError)
    /// Skipped by the server, because an earlier command of the same unit failed.
    case skipped
    /// The unit is over.
    case synced
    case copyOut
    /// Something that no command of ours asks for.
    case unexpected(String)
  }

  enum Progress {
    case reading
    case writing
    case done
    case failed
  }

  enum Copied {
    /// One CopyData message, to be freed with `freeCopied`.
    case row(UnsafeMutablePointer<CChar>, count: Int)
    case needsInput
    case end
    case failed
  }

  private var connection: OpaquePointer?
  private let notices: Notices

  /// Begins to connect; `poll()` goes on with it.
  /// - Parameter settings: libpq's keywords and their values.
  init(connecting settings: [(String, String)], logger: Logger) {
    notices = Notices(logger: logger)
    connection = withCStrings(settings.map(\.0)) { keywords in
      withCStrings(settings.map(\.1)) { values in PQconnectStartParams(keywords, values, 1) }
    }
    PQsetNoticeReceiver(
      connection,
      { context, result in
        guard let context else { return }
        Unmanaged<Notices>.fromOpaque(context).takeUnretainedValue().received(result)
      }, Unmanaged.passUnretained(notices).toOpaque())
  }

  deinit {
    close()
  }

  func close() {
    PQfinish(connection)
    connection = nil
  }

  // MARK: State

  var isBroken: Bool { PQstatus(connection) == CONNECTION_BAD }
  var isBusy: Bool { PQisBusy(connection) != 0 }
  var isInTransaction: Bool { PQtransactionStatus(connection) != PQTRANS_IDLE }
  var descriptor: Int32 { PQsocket(connection) }
  var processID: Int32 { PQbackendPID(connection) }

  /// libpq's last message as one line.
  var message: String {
    guard let text = PQerrorMessage(connection) else { return "libpq has no memory left" }
    let line = oneLine(text)
    return line.isEmpty ? "the server closed the connection" : line
  }

  func parameter(_ name: String) -> String? {
    PQparameterStatus(connection, name).map { String(cString: $0) }
  }

  // MARK: Connecting

  func poll() -> Progress {
    switch PQconnectPoll(connection) {
    case PGRES_POLLING_READING: .reading
    case PGRES_POLLING_WRITING: .writing
    case PGRES_POLLING_OK: .done
    default: .failed
    }
  }

  func becomeNonBlocking() -> Bool { PQsetnonblocking(connection, 1) == 0 }

  func makeCanceller() -> Canceller? { PQgetCancel(connection).map(Canceller.init(owning:)) }

  // MARK: Sending

  func enterPipeline() -> Bool {
    PQpipelineStatus(connection) == PQ_PIPELINE_ON || PQenterPipelineMode(connection) == 1
  }

  func leavePipeline() -> Bool {
    PQpipelineStatus(connection) == PQ_PIPELINE_OFF || PQexitPipelineMode(connection) == 1
  }

  func sendPrepare(_ name: String, _ sql: String, _ types: [UInt32]) -> Bool {
    types.withUnsafeBufferPointer { PQsendPrepare(connection, name, sql, Int32($0.count), $0.baseAddress) == 1 }
  }

  func sendPrepared(_ name: String, _ parameters: ParameterEncoder) -> Bool {
    parameters.withEncoded { count, values, lengths, formats in
      PQsendQueryPrepared(connection, name, count, values, lengths, formats, 1) == 1
    }
  }

  /// One command without parameters, as a part of a unit.
  func sendCommand(_ sql: String) -> Bool {
    PQsendQueryParams(connection, sql, 0, nil, nil, nil, nil, 1) == 1
  }

  /// Any number of commands outside a unit.
  func sendScript(_ sql: String) -> Bool { PQsendQuery(connection, sql) == 1 }

  /// Ends the unit and hands it to the system.
  func sync() -> Bool { PQpipelineSync(connection) == 1 }

  /// - Returns: `writing` while the system has no room, else `done` or `failed`.
  func flush() -> Progress {
    switch PQflush(connection) {
    case 0: .done
    case 1: .writing
    default: .failed
    }
  }

  // MARK: Receiving

  /// Takes in what the socket has; false when the connection has ended.
  func consume() -> Bool { PQconsumeInput(connection) == 1 }

  /// The next result; does not block when `isBusy` is false.
  func receive() -> Received {
    guard let raw = PQgetResult(connection) else { return .commandEnd }
    let result = PostgresResult(owning: raw)
    switch PQresultStatus(raw) {
    case PGRES_TUPLES_OK, PGRES_COMMAND_OK, PGRES_EMPTY_QUERY: return .result(result)
    case PGRES_PIPELINE_SYNC: return .synced
    case PGRES_PIPELINE_ABORTED: return .skipped
    case PGRES_FATAL_ERROR, PGRES_NONFATAL_ERROR, PGRES_BAD_RESPONSE: return .failed(PostgresError(raw, on: self))
    case PGRES_COPY_OUT: return .copyOut
    default: return .unexpected(PQresStatus(PQresultStatus(raw)).map { String(cString: $0) } ?? "unknown result")
    }
  }

  func receiveCopied() -> Copied {
    var buffer: UnsafeMutablePointer<CChar>?
    let count = PQgetCopyData(connection, &buffer, 1)
    if count > 0, let buffer { return .row(buffer, count: Int(count)) }
    switch count {
    case 0: return .needsInput
    case -1: return .end
    default: return .failed
    }
  }

  func freeCopied(_ buffer: UnsafeMutablePointer<CChar>) { PQfreemem(buffer) }

  /// The next notification that has come in with the input.
  func notification() -> PostgresNotification? {
    guard let raw = PQnotifies(connection) else { return nil }
    defer { PQfreemem(raw) }
    return PostgresNotification(
      channel: raw.pointee.relname.map { String(cString: $0) } ?? "",
      payload: raw.pointee.extra.map { String(cString: $0) } ?? "")
  }

  /// The text as an SQL literal with its quotes; nil when it is not valid or memory is out.
  func quote(_ text: String) -> String? {
    var text = text
    let quoted = text.withUTF8 { bytes in
      bytes.withMemoryRebound(to: CChar.self) { PQescapeLiteral(connection, $0.baseAddress ?? emptyText, $0.count) }
    }
    guard let quoted else { return nil }
    defer { PQfreemem(quoted) }
    return String(cString: quoted)
  }
}

/// A message of libpq, which can have several lines, as one.
func oneLine(_ text: UnsafePointer<CChar>) -> String {
  String(cString: text).split(whereSeparator: \.isNewline).map { $0.drop(while: \.isWhitespace) }.joined(
    separator: "; ")
}

/// A pointer for the empty string, which has none of its own.
private nonisolated(unsafe) let emptyText: UnsafePointer<CChar> = {
  let byte = UnsafeMutablePointer<CChar>.allocate(capacity: 1)
  byte.initialize(to: 0)
  return UnsafePointer(byte)
}()

/// Writes the server's notices to the log.
private final class Notices {
  private let logger: Logger

  init(logger: Logger) {
    self.logger = logger
  }

  func received(_ result: OpaquePointer?) {
    guard let text = PQresultErrorField(result, DiagnosticField.message) else { return }
    let notice = String(cString: text)
    logger.debug("notice from PostgreSQL", metadata: ["notice": "\(notice)"])
  }
}

/// Lends the strings as a null-terminated array of C strings.
func withCStrings<Result>(
  _ strings: [String], _ body: (UnsafePointer<UnsafePointer<CChar>?>?) -> Result
) -> Result {
  let owned = strings.map { string -> UnsafeMutablePointer<CChar> in
    let bytes = string.utf8CString
    let copy = UnsafeMutablePointer<CChar>.allocate(capacity: bytes.count)
    bytes.withUnsafeBufferPointer { source in
      source.baseAddress.map { copy.initialize(from: $0, count: bytes.count) }
    }
    return copy
  }
  defer { owned.forEach { $0.deallocate() } }
  var pointers = owned.map { UnsafePointer<CChar>?.some(UnsafePointer($0)) }
  pointers.append(nil)
  return pointers.withUnsafeBufferPointer { body($0.baseAddress) }
}
