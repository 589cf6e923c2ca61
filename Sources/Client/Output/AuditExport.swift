import Contract
import Digest
import GRPC
import Proto

/// Writes a stream of the audit log and checks it by its end. Confined to its connection's loop.
final class AuditExport: @unchecked Sendable {
  private let format: AuditFormat
  private let output: OutputFile
  private let digest: SHA256
  private var line = AuditLine()
  private var jsonLines = AuditJSONLines()
  private var table = TablePrinter(AuditRow.columns)
  private var count: Int64 = 0
  private var progress: Progress

  /// - Throws: `SHA256.Unavailable`
  init(_ format: AuditFormat, to output: OutputFile, showsProgress: Bool) throws {
    self.format = format
    self.output = output
    digest = try SHA256()
    progress = Progress("streaming", of: nil, isShown: showsProgress && StandardError.isTerminal)
  }

  /// - Throws: `Failure` also when the stream is not what the server says it sent, `RPCError`
  func run(_ request: StreamAuditRequest, on connection: Connection) async throws {
    defer { progress.clear() }
    let call = try await connection.stream(AuditService.Methods.streamAudit)
    do {
      try await call.send(request)
      call.finish()
      try await output.write(header)
      let end = try await copy(call)
      try check(end)
      try await output.finish()
    } catch {
      call.cancel()
      // What has arrived is good, up to here, and whole lines; the task may be cancelled, the writing goes on.
      await connection.loop.spawn { [output] in try? await output.drain() }.value
      progress.clear()
      tellWhatIsThere(after: error)
      throw error
    }
  }

  private func tellWhatIsThere(after error: any Error) {
    let place = output.partialPath.map { "; what came is in \($0)" } ?? ""
    switch (error as? Failure)?.status {
    case .brokenPipe: break
    case .digestMismatch: StandardError.line("the export is not to be trusted" + place)
    default: StandardError.line("the export ended early, after \(Text.grouped(count)) records" + place)
    }
  }

  private func copy(_ call: ClientCall<StreamAuditRequest, StreamAuditResponse>) async throws -> AuditEnd? {
    var end: AuditEnd?
    while let message = try await call.next() {
      switch message.event {
      case .batch(let batch):
        try await output.write(take(batch.records))
        progress.update(0, count: count, "records")
      case .end(let last): end = last
      case .heartbeat, nil: break
      }
    }
    return end
  }

  /// Counts and digests the records.
  /// - Returns: What is to be written.
  private func take(_ records: [AuditRecord]) -> [UInt8] {
    count += Int64(records.count)
    var lines: [UInt8] = []
    lines.reserveCapacity(records.count * 64)
    for record in records { line.append(record, to: &lines) }
    digest.update(lines)
    switch format {
    case .csv: return lines
    case .jsonl:
      lines.removeAll(keepingCapacity: true)
      for record in records { jsonLines.append(record, to: &lines) }
    case .table:
      lines.removeAll(keepingCapacity: true)
      table.append(records.map { AuditRow.cells($0) }, to: &lines)
    }
    return lines
  }

  private var header: [UInt8] { format == .csv ? Array(AuditLine.header.utf8) : [] }

  private func check(_ end: AuditEnd?) throws(Failure) {
    guard let end else { throw Failure(.digestMismatch, "the server ended the stream without its count and digest") }
    guard end.count == count else {
      throw Failure(.digestMismatch, "\(count) records arrived, and the server says that it sent \(end.count)")
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
