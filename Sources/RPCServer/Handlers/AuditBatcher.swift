import Contract
import Digest
import GRPC
import Postgres
import Proto
import Segmentation

/// Puts records into batches of about the size that was asked for, and counts and digests what goes by. Confined to its loop.
final class AuditBatcher: @unchecked Sendable {
  private static let standardBytes = 64 << 10
  private static let mostBytes = 1 << 20
  /// Lines that are digested at once, in bytes.
  private static let digestedAtOnce = 16 << 10

  /// How many records were added.
  private(set) var taken: Int64 = 0
  private let identity: DatabaseIdentity
  private let earliest: AuditToken
  private let maxRecords: Int
  private let maxBytes: Int
  private let digest: SHA256
  private var line = AuditLine()
  private var lines: [UInt8] = []
  private var batch = AuditBatchWriter()
  private var last: Segmentation.AuditPosition?

  /// - Throws: `SegmentationError.invalid` for limits below zero.
  init(_ request: StreamAuditRequest, _ bound: AuditBound) throws {
    guard request.maxBatchRecords >= 0 else {
      throw SegmentationError.invalid(field: "max_batch_records", reason: "must not be negative")
    }
    guard request.maxBatchBytes >= 0 else {
      throw SegmentationError.invalid(field: "max_batch_bytes", reason: "must not be negative")
    }
    identity = bound.identity
    earliest = bound.earliest
    maxRecords = request.maxBatchRecords == 0 ? .max : Int(request.maxBatchRecords)
    maxBytes = request.maxBatchBytes == 0 ? Self.standardBytes : min(Int(request.maxBatchBytes), Self.mostBytes)
    digest = try SHA256()
  }

  /// Whether the batch is to be sent now.
  var isFull: Bool { batch.count >= maxRecords || batch.byteCount >= maxBytes }

  func add(_ row: AuditRow) {
    add(
      AuditBatchWriter.Record(
        sequence: row.position.sequence, userID: row.user, segmentID: row.segment, segmentSlug: row.slug,
        action: Int32(row.action), cause: Int32(row.cause), actor: row.actor, requestID: row.requestID,
        expiresAt: row.expiresAt?.microseconds, effectiveTime: row.effectiveAt.microseconds,
        recordTime: row.recordedAt.microseconds), row.position)
  }

  func add(_ record: Segmentation.AuditRecord) {
    var slug = record.slug.text
    var actor = record.actor
    var requestID = record.requestID ?? ""
    slug.withUTF8 { slug in
      actor.withUTF8 { actor in
        requestID.withUTF8 { requestID in
          add(
            AuditBatchWriter.Record(
              sequence: record.position.sequence, userID: record.user.number, segmentID: record.segment.number,
              segmentSlug: UnsafeRawBufferPointer(slug), action: Int32(record.action.rawValue),
              cause: Int32(record.cause.rawValue), actor: UnsafeRawBufferPointer(actor),
              requestID: UnsafeRawBufferPointer(requestID), expiresAt: record.expiresAt?.microseconds,
              effectiveTime: record.effectiveAt.microseconds, recordTime: record.recordedAt.microseconds),
            record.position)
        }
      }
    }
  }

  private func add(_ record: AuditBatchWriter.Record, _ position: Segmentation.AuditPosition) {
    taken += 1
    last = position
    batch.append(record)
    let effective = ProtoTimestamp(Timestamp(microseconds: record.effectiveTime))
    line.append(
      userID: record.userID, slug: record.segmentSlug, action: Proto.AuditAction(rawValue: record.action),
      seconds: effective.seconds, nanos: effective.nanos, to: &lines)
    if lines.count >= Self.digestedAtOnce { digestLines() }
  }

  private func digestLines() {
    digest.update(lines)
    lines.removeAll(keepingCapacity: true)
  }

  /// Queues what there is as one batch, without waiting for room.
  /// - Throws: `RPCError` when the call is over.
  func flush(into responses: ResponseWriter<StreamAuditResponse>) throws {
    guard let last, !batch.isEmpty else { return }
    defer { batch.removeAll() }
    try responses.queue(
      EncodedAuditBatch(records: batch, resumeToken: AuditToken(identity, last).text), EncodedAuditBatch.coding)
  }

  /// The end, after the last batch has been flushed. Call once.
  func end(behind start: Segmentation.AuditPosition) -> StreamAuditResponse {
    digestLines()
    return StreamAuditResponse(
      event: .end(
        AuditEnd(
          count: taken, digest: digest.finish(), resumeToken: AuditToken(identity, last ?? start).text,
          earliestToken: earliest.text)))
  }
}

/// A StreamAuditResponse with a batch whose records are bytes already.
struct EncodedAuditBatch: Sendable {
  static let coding = MessageCoding<EncodedAuditBatch>(
    decode: { _ in throw RPCError(.internalError, "only sent") },
    encode: { batch, buffer in batch.records.append(to: &buffer, resumeToken: batch.resumeToken) })

  let records: AuditBatchWriter
  let resumeToken: String
}
