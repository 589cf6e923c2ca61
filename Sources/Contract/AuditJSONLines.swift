import Proto

/// Records as JSON lines. The log is long, so the bytes are written directly, with the rules of segctl's other JSON: names in
/// snake_case and sorted, fields without a value left out.
package struct AuditJSONLines: Sendable {
  private static let hex = Array("0123456789abcdef".utf8)
  private var stamp = StampFormatter()

  package init() {}

  /// A record's fields. The texts are lent, UTF-8; an empty one is a field that is not there.
  package struct Record {
    let sequence: Int64
    let userID: Int64
    let segmentID: Int64
    let segmentSlug: UnsafeRawBufferPointer
    let action: AuditAction
    let cause: AuditCause
    let actor: UnsafeRawBufferPointer
    let requestID: UnsafeRawBufferPointer
    let expiresAt: ProtoTimestamp?
    let effectiveTime: ProtoTimestamp?
    let recordTime: ProtoTimestamp?

    package init(
      sequence: Int64, userID: Int64, segmentID: Int64, segmentSlug: UnsafeRawBufferPointer, action: AuditAction,
      cause: AuditCause, actor: UnsafeRawBufferPointer, requestID: UnsafeRawBufferPointer, expiresAt: ProtoTimestamp?,
      effectiveTime: ProtoTimestamp?, recordTime: ProtoTimestamp?
    ) {
      self.sequence = sequence
      self.userID = userID
      self.segmentID = segmentID
      self.segmentSlug = segmentSlug
      self.action = action
      self.cause = cause
      self.actor = actor
      self.requestID = requestID
      self.expiresAt = expiresAt
      self.effectiveTime = effectiveTime
      self.recordTime = recordTime
    }
  }

  /// Appends the record's line with its line feed.
  package mutating func append(_ record: AuditRecord, to buffer: inout [UInt8]) {
    var (slug, actor, requestID) = (record.segmentSlug, record.actor, record.requestID)
    slug.withUTF8 { slug in
      actor.withUTF8 { actor in
        requestID.withUTF8 { requestID in
          append(
            Record(
              sequence: record.sequence, userID: record.userID, segmentID: record.segmentID,
              segmentSlug: UnsafeRawBufferPointer(slug), action: record.action, cause: record.cause,
              actor: UnsafeRawBufferPointer(actor), requestID: UnsafeRawBufferPointer(requestID),
              expiresAt: record.expiresAt, effectiveTime: record.effectiveTime, recordTime: record.recordTime),
            to: &buffer)
        }
      }
    }
  }

  /// Appends the record's line with its line feed.
  package mutating func append(_ record: Record, to buffer: inout [UInt8]) {
    buffer.append(contentsOf: "{\"action\":\"".utf8)
    buffer.append(contentsOf: record.action.name.utf8)
    if !record.actor.isEmpty { Self.append(record.actor, as: "\",\"actor\":\"", to: &buffer) }
    buffer.append(contentsOf: "\",\"cause\":\"".utf8)
    buffer.append(contentsOf: record.cause.name.utf8)
    append(record.effectiveTime, as: "\",\"effective_time\":\"", to: &buffer)
    append(record.expiresAt, as: "\",\"expires_at\":\"", to: &buffer)
    append(record.recordTime, as: "\",\"record_time\":\"", to: &buffer)
    if !record.requestID.isEmpty { Self.append(record.requestID, as: "\",\"request_id\":\"", to: &buffer) }
    buffer.append(contentsOf: "\",\"segment_id\":".utf8)
    buffer.append(contentsOf: String(record.segmentID).utf8)
    Self.append(record.segmentSlug, as: ",\"segment_slug\":\"", to: &buffer)
    buffer.append(contentsOf: "\",\"sequence\":".utf8)
    buffer.append(contentsOf: String(record.sequence).utf8)
    buffer.append(contentsOf: ",\"user_id\":".utf8)
    buffer.append(contentsOf: String(record.userID).utf8)
    buffer.append(contentsOf: "}\n".utf8)
  }

  private mutating func append(_ time: ProtoTimestamp?, as name: StaticString, to buffer: inout [UInt8]) {
    guard let time else { return }
    name.withUTF8Buffer { buffer.append(contentsOf: $0) }
    stamp.append(time, to: &buffer)
  }

  /// The text without the quote that ends it (RFC 8259, "Strings").
  private static func append(_ text: UnsafeRawBufferPointer, as name: StaticString, to buffer: inout [UInt8]) {
    name.withUTF8Buffer { buffer.append(contentsOf: $0) }
    for byte in text {
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"):
        buffer.append(UInt8(ascii: "\\"))
        buffer.append(byte)
      case 0..<0x20:
        buffer.append(contentsOf: "\\u00".utf8)
        buffer.append(hex[Int(byte >> 4)])
        buffer.append(hex[Int(byte & 15)])
      default:
        buffer.append(byte)
      }
    }
  }
}
