import GRPC
import Proto

/// Streams the rows of a file to the server. Confined to its connection's loop.
///
/// The file goes in sections of up to 100,000 lines, a call each: at the end of a call the server names the rows that it
/// rejected, at most that many, and their lines are still at hand then, be the file standard input or larger than memory.
///
///     piece of the file ─► lines ─► rows ─► one message     (waits while the server's window is full)
///                            └─► malformed ─┐
///     section ends ─► server's rejections ──┴─► file of rejects, by line
final class MembershipImport: @unchecked Sendable {
  /// The most lines of a section: as many rejections as the server answers at most.
  static let sectionLimit = 100_000

  private let input: InputFile
  private let options: ImportOptions
  private let rejects: RejectsFile
  private let connection: Connection
  private let started = ContinuousClock.now

  private var splitter = LineSplitter(limit: MembershipLines.limit)
  private var format: MembershipLines?
  private var line = 0
  private var rows: [ImportRow] = []
  private var section = Section()
  private var call: ClientCall<ImportMembershipsRequest, ImportMembershipsResponse>?
  private var bytesRead: Int64 = 0
  private var progress: Progress
  /// Lines up to this one are imported or rejected for good.
  private(set) var settledLines = 0
  /// A server was reached.
  private(set) var hasBegun = false
  private(set) var summary = ImportSummary()

  init(_ input: InputFile, _ options: ImportOptions, rejects: RejectsFile, connection: Connection) {
    self.input = input
    self.options = options
    self.rejects = rejects
    self.connection = connection
    progress = Progress("importing", of: input.size)
  }

  /// - Throws: `Failure`, `RPCError`
  func run() async throws {
    defer { progress.clear() }
    while let piece = try await input.next() {
      try splitter.feed(piece) { line in try take(line) }
      bytesRead += Int64(piece.count)
      try await sendRows()
      if section.lineCount + InputFile.pieceSize / 4 > Self.sectionLimit { try await endSection() }
      progress.update(bytesRead, count: Int64(line), "lines")
    }
    try splitter.finish { line in try take(line) }
    guard format != nil else { throw MembershipLines.noHeader }
    try await sendRows()
    try await endSection()
    summary.seconds = (ContinuousClock.now - started) / .seconds(1)
  }

  private func take(_ text: LineSplitter.Line) throws(Failure) {
    line += 1
    guard let format else { return format = try MembershipLines(header: text.bytes) }
    guard !text.bytes.isEmpty else { return }
    do throws(MembershipLines.Malformed) {
      guard !text.isTooLong else { throw .init(reason: "the line is longer than \(MembershipLines.limit) bytes") }
      rows.append(try format.row(text.bytes))
      section.sent(text.bytes, line: line)
    } catch {
      section.rejected(text.bytes, line: line, code: "MALFORMED", message: error.reason)
    }
  }

  private func sendRows() async throws {
    guard !rows.isEmpty else { return }
    let options = call == nil ? self.options : nil
    if call == nil { call = try await connection.stream(MembershipService.Methods.importMemberships) }
    guard let call else { return }
    hasBegun = true
    let request = ImportMembershipsRequest(options: options, rows: rows)
    rows.removeAll(keepingCapacity: true)
    do { try await call.send(request) } catch {
      // The server's status says more than that the call is over.
      _ = try await call.response()
      throw error
    }
  }

  private func endSection() async throws {
    let malformed = section.rejectedCount
    if let call {
      call.finish()
      let response = try await call.response()
      self.call = nil
      for rejection in response.rejections {
        section.rejected(row: Int(rejection.row), code: rejection.reason.name, message: rejection.message)
      }
      summary.add(response)
    }
    summary.addMalformed(malformed)
    try await rejects.write(section.takeRejects())
    settledLines = line
  }
}

/// What is kept of the lines of a section until the server has judged them.
private struct Section {
  private struct Sent {
    let line: Int
    let start: Int
    let end: Int
  }

  private(set) var lineCount = 0
  private var text: [UInt8] = []
  private var rows: [Sent] = []
  private var rejects: [RejectedLine] = []

  var rejectedCount: Int { rejects.count }

  mutating func sent(_ bytes: UnsafeRawBufferPointer, line: Int) {
    lineCount += 1
    let start = text.count
    text.append(contentsOf: bytes)
    rows.append(Sent(line: line, start: start, end: text.count))
  }

  mutating func rejected(_ bytes: UnsafeRawBufferPointer, line: Int, code: String, message: String) {
    lineCount += 1
    rejects.append(
      RejectedLine(line: line, code: code, message: message, text: String(decoding: bytes, as: UTF8.self)))
  }

  /// - Parameter row: Its number among those sent, from 0, as the server counts.
  mutating func rejected(row: Int, code: String, message: String) {
    guard rows.indices.contains(row) else { return }
    let sent = rows[row]
    let text = String(decoding: text[sent.start..<sent.end], as: UTF8.self)
    rejects.append(RejectedLine(line: sent.line, code: code, message: message, text: text))
  }

  /// The rejected lines in the file's order; the section is empty then.
  mutating func takeRejects() -> [RejectedLine] {
    let result = rejects.sorted { $0.line < $1.line }
    lineCount = 0
    text.removeAll(keepingCapacity: true)
    rows.removeAll(keepingCapacity: true)
    rejects.removeAll(keepingCapacity: true)
    return result
  }
}
