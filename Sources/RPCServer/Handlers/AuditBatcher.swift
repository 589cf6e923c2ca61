import Contract
import Digest
import Proto
import Segmentation

/// Puts records into batches of about the size that was asked for, and counts and digests what went by.
struct AuditBatcher {
  private static let standardBytes = 64 << 10
  private static let mostBytes = 1 << 20
  /// What a record takes besides its texts.
  private static let fixedBytes = 56

  /// How many records were added.
  private(set) var taken: Int64 = 0
  private var count: Int64 = 0
  private let identity: DatabaseIdentity
  private let maxRecords: Int
  private let maxBytes: Int
  private let digest: SHA256
  private var line = AuditLine()
  private var lines: [UInt8] = []
  private var batch: [Proto.AuditRecord] = []
  private var batchBytes = 0
  private var last: Segmentation.AuditPosition?

  /// - Throws: `SegmentationError.invalid` for limits below zero.
  init(_ request: StreamAuditRequest, _ identity: DatabaseIdentity) throws {
    guard request.maxBatchRecords >= 0 else {
      throw SegmentationError.invalid(field: "max_batch_records", reason: "must not be negative")
    }
    guard request.maxBatchBytes >= 0 else {
      throw SegmentationError.invalid(field: "max_batch_bytes", reason: "must not be negative")
    }
    self.identity = identity
    maxRecords = request.maxBatchRecords == 0 ? .max : Int(request.maxBatchRecords)
    maxBytes = request.maxBatchBytes == 0 ? Self.standardBytes : min(Int(request.maxBatchBytes), Self.mostBytes)
    digest = try SHA256()
  }

  /// - Returns: The batch that the record completes, if it does.
  mutating func add(_ record: Segmentation.AuditRecord) -> StreamAuditResponse? {
    taken += 1
    let message = Proto.AuditRecord(record)
    line.append(message, to: &lines)
    batchBytes +=
      Self.fixedBytes + message.segmentSlug.utf8.count + message.actor.utf8.count + message.requestID.utf8.count
    batch.append(message)
    last = record.position
    return batch.count >= maxRecords || batchBytes >= maxBytes ? flush() : nil
  }

  /// - Returns: What is left, if anything is.
  mutating func flush() -> StreamAuditResponse? {
    guard let last, !batch.isEmpty else { return nil }
    digest.update(lines)
    lines.removeAll(keepingCapacity: true)
    count += Int64(batch.count)
    let records = batch
    batch = []
    batch.reserveCapacity(records.count)
    batchBytes = 0
    return StreamAuditResponse(
      event: .batch(AuditBatch(records: records, resumeToken: AuditToken(identity, last).text)))
  }

  /// The end, after the last batch has been flushed. Call once.
  func end(behind start: Segmentation.AuditPosition) -> StreamAuditResponse {
    StreamAuditResponse(
      event: .end(
        AuditEnd(
          count: count, digest: digest.finish(), resumeToken: AuditToken(identity, last ?? start).text,
          earliestToken: AuditToken(identity, .beginning).text)))
  }
}

extension Proto.AuditRecord {
  init(_ record: Segmentation.AuditRecord) {
    self.init(
      sequence: record.position.sequence, userID: record.user.number, segmentID: record.segment.number,
      segmentSlug: record.slug.text, action: Proto.AuditAction(rawValue: Int32(record.action.rawValue)),
      cause: Proto.AuditCause(record.cause), actor: record.actor, requestID: record.requestID ?? "",
      expiresAt: record.expiresAt.map { ProtoTimestamp($0) }, effectiveTime: ProtoTimestamp(record.effectiveAt),
      recordTime: ProtoTimestamp(record.recordedAt))
  }
}

extension Proto.AuditCause {
  /// The numbers are the same on both sides; a test holds them to it.
  init(_ cause: Segmentation.AuditCause) {
    self.init(rawValue: Int32(cause.rawValue))
  }
}
