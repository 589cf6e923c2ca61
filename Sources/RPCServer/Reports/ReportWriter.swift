import Contract
import Digest
import GRPC
import Postgres
import Proto
import Segmentation

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A report whose file is whole.
struct FinishedReport: Sendable {
  let report: Report
  let count: Int64
  /// Bytes.
  let size: Int64
  /// SHA-256 of the records as CSV lines.
  let digest: [UInt8]
  /// SHA-256 of the file's bytes; empty when it stays where it is.
  let fileDigest: [UInt8]
}

/// Writes a report's records into its file, which has its name only when it is whole.
final class ReportWriter {
  /// Text is written, digested and packed in pieces of so many bytes: packing one takes a millisecond or two.
  private static let piece = 64 << 10

  private let directory: ReportDirectory
  private let report: Report
  private let file: Int32
  private let digest: SHA256
  /// Of the file's bytes, which a bucket compares; nil when the file stays here.
  private let fileDigest: SHA256?
  private let deflater: Deflater?
  /// Bytes that the file may have.
  private let room: Int64
  private var line = AuditLine()
  private var jsonLines = AuditJSONLines()
  /// The records as CSV, which the digest is of.
  private var lines: [UInt8] = []
  /// The records as JSON, when that is the format.
  private var text: [UInt8] = []
  private(set) var count: Int64 = 0
  private(set) var size: Int64 = 0

  private var partialPath: String { directory.file("\(report.fileName).partial") }

  /// - Throws: `ReportFailure`, and what zlib and OpenSSL throw for want of memory.
  init(_ report: Report, in directory: ReportDirectory) throws {
    self.report = report
    self.directory = directory
    digest = try SHA256()
    fileDigest = report.destination == .bucket ? try SHA256() : nil
    deflater = report.isPacked ? try Deflater(.gzip) : nil
    unlink(directory.file("\(report.fileName).partial"))
    room = directory.limit - directory.used()
    file = open(
      directory.file("\(report.fileName).partial"), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    guard file >= 0 else { throw ReportFailure(description: "its file: \(System.reason(errno))") }
    if report.format == .csv { try write(Array(AuditLine.header.utf8)) }
  }

  deinit {
    close(file)
    // Without effect when it has its name.
    unlink(partialPath)
  }

  /// - Throws: `ReportFailure` when there is no room.
  func add(_ row: AuditRow) throws {
    count += 1
    let effective = ProtoTimestamp(row.effectiveAt)
    let action = Proto.AuditAction(rawValue: Int32(row.action))
    line.append(
      userID: row.user, slug: row.slug, action: action, seconds: effective.seconds, nanos: effective.nanos, to: &lines)
    if report.format == .jsonLines {
      jsonLines.append(
        AuditJSONLines.Record(
          sequence: row.position.sequence, userID: row.user, segmentID: row.segment, segmentSlug: row.slug,
          action: action, cause: Proto.AuditCause(rawValue: Int32(row.cause)), actor: row.actor,
          requestID: row.requestID, expiresAt: row.expiresAt.map { ProtoTimestamp($0) }, effectiveTime: effective,
          recordTime: ProtoTimestamp(row.recordedAt)), to: &text)
    }
    if max(lines.count, text.count) >= Self.piece { try writePiece() }
  }

  private func writePiece() throws {
    digest.update(lines)
    try write(report.format == .csv ? lines : text)
    lines.removeAll(keepingCapacity: true)
    text.removeAll(keepingCapacity: true)
  }

  /// Gives the file its name.
  /// - Throws: `ReportFailure`
  func finish() throws -> FinishedReport {
    try writePiece()
    guard rename(partialPath, directory.file(report.fileName)) == 0 else {
      throw ReportFailure(description: "its file: \(System.reason(errno))")
    }
    return FinishedReport(
      report: report, count: count, size: size, digest: digest.finish(), fileDigest: fileDigest?.finish() ?? [])
  }

  /// Each piece is packed by itself: gzip files may have several members (RFC 1952, section 2.2).
  private func write(_ bytes: [UInt8]) throws {
    guard !bytes.isEmpty else { return }
    let bytes = try deflater.map { deflater in try bytes.withUnsafeBytes { try deflater.compress($0) } } ?? bytes
    guard size + Int64(bytes.count) <= room else {
      throw ReportFailure(description: "there is no room for it: reports may take \(directory.limit) bytes together")
    }
    fileDigest?.update(bytes)
    var rest = bytes[...]
    while !rest.isEmpty {
      let written = rest.withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
      guard written > 0 else {
        if written < 0, errno == EINTR { continue }
        throw ReportFailure(description: "its file: \(System.reason(errno))")
      }
      rest = rest.dropFirst(written)
    }
    size += Int64(bytes.count)
  }
}
