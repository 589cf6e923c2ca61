import Contract
import Digest
import GRPC
import Proto

/// Writes a stream of the audit log and checks it by its end. One that follows goes on behind its last token when the server went
/// away. Confined to its connection's loop.
final class AuditExport: @unchecked Sendable {
  private static let shortestPause = Duration.milliseconds(100)
  private static let longestPause = Duration.seconds(5)
  private static let acknowledgementInterval = Duration.seconds(1)

  private let format: AuditFormat
  private let output: OutputFile
  private let checkpoints: AuditCheckpoints?
  /// Where a checksum is left at the end; nil for none.
  private let checksumPath: String?
  /// Of all that was written, when there are no checkpoints to know it.
  private let fileDigest: SHA256?
  private var fileLength: Int64 = 0
  private var line = AuditLine()
  private var jsonLines = AuditJSONLines()
  private var table = TablePrinter(AuditRow.columns)
  private var count: Int64
  /// Of the call that is going on: what its end is compared with.
  private var digest: SHA256
  private var callCount: Int64 = 0
  /// What the last message said to go on behind; empty before the first.
  private var token: String
  private var pause = AuditExport.shortestPause
  /// Since when a follower has been without the server; nil while it is there.
  private var lostSince: ContinuousClock.Instant?
  /// Empty for none.
  private let consumer: String
  /// Whether the server is asked to compress what it sends.
  private let compresses: Bool
  private var acknowledged = ""
  private var nextAcknowledgement = ContinuousClock.now
  private var progress: Progress
  /// A server was reached.
  private var hasBegun = false

  /// - Parameters:
  ///   - checkpoints: Keeps them while the export goes on, and may have one to begin with.
  ///   - consumer: Whose progress the server is told.
  ///   - compresses: Asks the server to compress what it sends; what is written is the same.
  ///   - path: The file that gets a checksum beside it when it is whole.
  /// - Throws: `SHA256.Unavailable`
  init(
    _ format: AuditFormat, to output: OutputFile, checkpoints: AuditCheckpoints? = nil, checksumBeside path: String?,
    consumer: String = "", compresses: Bool = false, showsProgress: Bool
  ) throws {
    self.format = format
    self.output = output
    self.checkpoints = checkpoints
    self.consumer = consumer
    self.compresses = compresses
    checksumPath = path
    fileDigest = path != nil && checkpoints == nil ? try SHA256() : nil
    digest = try SHA256()
    count = checkpoints?.count ?? 0
    token = checkpoints?.token ?? ""
    progress = Progress("streaming", of: nil, begun: count, isShown: showsProgress && StandardError.isTerminal)
  }

  /// - Throws: `Failure` also when the stream is not what the server says it sent, `RPCError`
  func run(_ request: StreamAuditRequest, on connection: Connection) async throws {
    defer { progress.clear() }
    do {
      try await stream(request, on: connection)
      try await finish()
      try await acknowledge(on: connection)
    } catch {
      // What has arrived is good, up to here, and whole lines; the task may be cancelled, the writing goes on.
      let isSpoilt = (error as? Failure)?.status == .digestMismatch
      await connection.loop.spawn { [output, checkpoints, hasBegun] in
        try? await output.drain()
        if !hasBegun, checkpoints == nil { output.discard() }
        if isSpoilt { checkpoints?.remove() } else { try? await checkpoints?.save(output) }
      }.value
      let isOver = request.follow && Task.isCancelled
      if hasBegun, !isOver, (error as? Failure)?.status != .brokenPipe {
        StandardError.line("the export ended early, after \(Text.grouped(count)) records")
      }
      throw error
    }
  }

  /// Gives the file its name, and a checksum beside it.
  private func finish() async throws {
    let checksum =
      try checkpoints?.checksum()
      ?? fileDigest.map { AuditChecksum(count: count, length: fileLength, digest: Text.hex($0.finish())) }
    if let checksumPath { AuditChecksum.remove(beside: checksumPath) }
    try await output.finish()
    if let checksumPath { try checksum?.write(beside: checksumPath) }
    checkpoints?.remove()
  }

  /// One call after the other, each behind the token of the one before.
  private func stream(_ request: StreamAuditRequest, on connection: Connection) async throws {
    var request = request
    while true {
      if !token.isEmpty { request.start = .startToken(token) }
      do { return try await call(request, on: connection) } catch let error as RPCError {
        // A server that was never there is told of.
        let mayReturn = error.code == .unavailable || error.code == .cancelled
        guard request.follow, mayReturn, !token.isEmpty, !Task.isCancelled else { throw error }
        lost(error)
      }
      try await connection.loop.sleep(for: pause * Double.random(in: 0.5...1))
      pause = min(pause * 2, Self.longestPause)
    }
  }

  /// Says so once, however often it is tried again.
  private func lost(_ error: RPCError) {
    guard lostSince == nil else { return }
    lostSince = .now
    progress.clear()
    StandardError.line("lost the server (\(error.message)); trying again until it is back")
  }

  private func found() {
    pause = Self.shortestPause
    guard let since = lostSince else { return }
    lostSince = nil
    StandardError.line("the server is back after \(Text.seconds(.now - since)); going on behind the last record")
  }

  private func call(_ request: StreamAuditRequest, on connection: Connection) async throws {
    // Who follows waits for a server that was there and has gone.
    let call = try await connection.stream(
      AuditService.Methods.streamAudit, as: AuditMessage.method, waitsForReady: request.follow && !token.isEmpty,
      compression: compresses ? .gzip : nil)
    digest = try SHA256()
    callCount = 0
    do {
      if !hasBegun, checkpoints?.isFresh ?? true { try await write(header) }
      hasBegun = true
      // A request that comes compressed is answered likewise.
      try await call.send(request, compressed: compresses)
      call.finish()
      try check(try await copy(call, on: connection))
    } catch {
      call.cancel()
      throw error
    }
  }

  private func copy(
    _ call: ClientCall<StreamAuditRequest, AuditMessage>, on connection: Connection
  ) async throws -> AuditEnd? {
    var end: AuditEnd?
    while let message = try await call.next() {
      found()
      let (output, response) = try take(message)
      switch response.event {
      case .batch(let batch):
        try await write(output)
        progress.update(0, count: count, "records")
        try await reached(batch.resumeToken, on: connection)
      case .end(let last): end = last
      case .heartbeat(let heartbeat): try await reached(heartbeat.resumeToken, on: connection)
      case nil: break
      }
    }
    return end
  }

  private func write(_ bytes: [UInt8]) async throws {
    try await output.write(bytes)
    checkpoints?.wrote(bytes)
    fileDigest?.update(bytes)
    fileLength += Int64(bytes.count)
  }

  private func reached(_ token: String, on connection: Connection) async throws {
    self.token = token
    try await checkpoints?.reached(token, count: count, in: output)
    guard !consumer.isEmpty, .now >= nextAcknowledgement else { return }
    if let checkpoints { try await checkpoints.save(output) } else { try await output.drain() }
    try await acknowledge(on: connection)
    nextAcknowledgement = .now + Self.acknowledgementInterval
  }

  /// Tells the server what has been written.
  private func acknowledge(on connection: Connection) async throws {
    guard !consumer.isEmpty, token != acknowledged else { return }
    let request = AcknowledgeAuditRequest(consumer: consumer, token: token)
    _ = try await connection.unary(AuditService.Methods.acknowledgeAudit, request)
    acknowledged = token
  }

  /// Counts and digests the records of a message.
  /// - Returns: What is to be written, and the message; of a CSV without its records.
  private func take(_ message: AuditMessage) throws -> (output: [UInt8], response: StreamAuditResponse) {
    var lines: [UInt8] = []
    lines.reserveCapacity(message.bytes.count)
    let response: StreamAuditResponse
    var added = 0
    switch format {
    case .csv: (added, response) = try message.decoded(into: &lines, &line)
    case .jsonl, .table:
      response = try message.decoded()
      if case .batch(let batch) = response.event {
        for record in batch.records { line.append(record, to: &lines) }
        added = batch.records.count
      }
    }
    count += Int64(added)
    callCount += Int64(added)
    digest.update(lines)
    if format != .csv, case .batch(let batch) = response.event {
      lines.removeAll(keepingCapacity: true)
      format(batch.records, into: &lines)
    }
    return (lines, response)
  }

  private func format(_ records: [AuditRecord], into lines: inout [UInt8]) {
    if format == .table {
      table.append(records.map { AuditRow.cells($0) }, to: &lines)
    } else {
      for record in records { jsonLines.append(record, to: &lines) }
    }
  }

  private var header: [UInt8] { format == .csv ? Array(AuditLine.header.utf8) : [] }

  private func check(_ end: AuditEnd?) throws(Failure) {
    guard let end else { throw Failure(.digestMismatch, "the server ended the stream without its count and digest") }
    guard end.count == callCount else {
      throw Failure(.digestMismatch, "\(callCount) records arrived, and the server says that it sent \(end.count)")
    }
    guard end.digest == digest.finish() else {
      throw Failure(.digestMismatch, "the records' SHA-256 is not the one that the server sent")
    }
  }
}

/// A record as a row for people.
enum AuditRow {
  static let columns: [Column] = [
    "stamp", .number("user_id"), "segment_slug", "action", "cause", "actor", "expires_at",
  ]

  static func cells(_ record: AuditRecord) -> [String] {
    [
      record.effectiveTime.map(StampFormatter.string) ?? "", "\(record.userID)", record.segmentSlug,
      record.action.name, record.cause.name, record.actor, record.expiresAt.map(StampFormatter.string) ?? "",
    ]
  }
}
