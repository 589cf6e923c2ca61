import Postgres

/// A record of the audit log as the database sent it: nothing is copied. The texts are lent for the call that gets it.
package struct AuditRow {
  package let position: AuditPosition
  package let user: Int64
  package let segment: Int64
  package let slug: UnsafeRawBufferPointer
  /// `AuditAction`'s number.
  package let action: Int16
  /// `AuditCause`'s number.
  package let cause: Int16
  /// UTF-8; empty for what the server does by itself.
  package let actor: UnsafeRawBufferPointer
  /// UTF-8; empty for none.
  package let requestID: UnsafeRawBufferPointer
  package let expiresAt: Timestamp?
  package let effectiveAt: Timestamp
  package let recordedAt: Timestamp
}

/// Reads the rows of the log's COPY. Confined to its loop.
///
/// What the database would have to send again and again is left out: the era is that of the statement, the slug is looked up by the
/// segment's id, and a record time that is the effective time, as almost all are, is NULL. Each field costs PostgreSQL 50 to 100 ns.
final class AuditRowReader: @unchecked Sendable {
  /// What is selected, in the order in which it is read.
  static let columns = """
    xid, sequence, user_id, (segment_id << 8) | (action << 4) | cause, expires_at, effective_at,
        nullif(recorded_at, effective_at), nullif(actor, ''), request_id
    """
  private static let fieldCount = 9
  /// Slugs that are at hand without a look into the directory.
  private static let slots = 1024

  private let directory: SegmentDirectory
  /// The id in each slot; 0 for none.
  private let ids = UnsafeMutablePointer<Int64>.allocate(capacity: slots)
  private let lengths = UnsafeMutablePointer<Int>.allocate(capacity: slots)
  private let texts = UnsafeMutableRawPointer.allocate(byteCount: slots * Slug.maximumLength, alignment: 1)

  init(_ directory: SegmentDirectory) {
    self.directory = directory
    ids.initialize(repeating: 0, count: Self.slots)
    lengths.initialize(repeating: 0, count: Self.slots)
  }

  deinit {
    ids.deallocate()
    lengths.deallocate()
    texts.deallocate()
  }

  enum Outcome {
    case row(AuditRow)
    /// The slug of this segment is not known yet.
    case unknownSegment(Int64)
  }

  /// - Parameters:
  ///   - bytes: One row, lent for the call.
  ///   - era: That the statement reads.
  /// - Throws: `PostgresError` (`decoding`).
  func read(_ bytes: UnsafeRawBufferPointer, era: Int32) throws -> Outcome {
    var cursor = FieldCursor(bytes)
    guard cursor.count() == Self.fieldCount else { throw Self.unexpected }
    guard let xid = cursor.number(), let sequence = cursor.number(), let user = cursor.number(),
      let packed = cursor.number()
    else { throw Self.unexpected }
    let expiry = cursor.number()
    guard let effective = cursor.number().flatMap({ Timestamp(wireValue: $0) }) else { throw Self.unexpected }
    let recorded = cursor.number()
    let actor = cursor.text()
    let requestID = cursor.text()
    guard cursor.isComplete else { throw Self.unexpected }
    let segment = packed >> 8
    guard let slug = slug(of: segment) else { return .unknownSegment(segment) }
    return .row(
      AuditRow(
        position: AuditPosition(era: era, xid: xid, sequence: sequence), user: user, segment: segment, slug: slug,
        action: Int16(truncatingIfNeeded: packed >> 4 & 15), cause: Int16(truncatingIfNeeded: packed & 15),
        actor: actor,
        requestID: requestID, expiresAt: expiry.flatMap { Timestamp(wireValue: $0) }, effectiveAt: effective,
        recordedAt: recorded.flatMap { Timestamp(wireValue: $0) } ?? effective))
  }

  /// Lent until the next row.
  private func slug(of segment: Int64) -> UnsafeRawBufferPointer? {
    let slot = Int(truncatingIfNeeded: segment & Int64(Self.slots - 1))
    if ids[slot] != segment {
      guard var text = directory[segment]?.text, text.utf8.count <= Slug.maximumLength else { return nil }
      text.withUTF8 { bytes in
        bytes.baseAddress.map { (texts + slot * Slug.maximumLength).copyMemory(from: $0, byteCount: bytes.count) }
        lengths[slot] = bytes.count
      }
      ids[slot] = segment
    }
    return UnsafeRawBufferPointer(start: texts + slot * Slug.maximumLength, count: lengths[slot])
  }

  private static let unexpected = PostgresError(.decoding, "an audit row is not as expected")
}

/// Goes through a row of a binary COPY. Once a field is not as expected, nothing is complete any more.
private struct FieldCursor {
  private let bytes: UnsafeRawBufferPointer
  private var offset = 2
  private var isBroken = false

  init(_ bytes: UnsafeRawBufferPointer) {
    self.bytes = bytes
  }

  var isComplete: Bool { !isBroken && offset == bytes.count }

  func count() -> Int {
    bytes.count >= 2 ? Int(Int16(bigEndian: bytes.loadUnaligned(as: Int16.self))) : -1
  }

  /// Eight bytes; nil for NULL.
  @inline(__always)
  mutating func number() -> Int64? {
    let size = length()
    if size == -1 { return nil }
    guard size == 8, bytes.count - offset >= 8 else {
      isBroken = true
      return nil
    }
    defer { offset += 8 }
    return Int64(bigEndian: bytes.loadUnaligned(fromByteOffset: offset, as: Int64.self))
  }

  /// Empty for NULL.
  @inline(__always)
  mutating func text() -> UnsafeRawBufferPointer {
    let count = length()
    guard count > 0 else { return UnsafeRawBufferPointer(start: nil, count: 0) }
    guard bytes.count - offset >= count else {
      isBroken = true
      return UnsafeRawBufferPointer(start: nil, count: 0)
    }
    defer { offset += count }
    return UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + count])
  }

  @inline(__always)
  private mutating func length() -> Int {
    guard bytes.count - offset >= 4 else {
      isBroken = true
      return -1
    }
    defer { offset += 4 }
    return Int(Int32(bigEndian: bytes.loadUnaligned(fromByteOffset: offset, as: Int32.self)))
  }
}

extension AuditRecord {
  /// A copy of the row, whose segment has that slug; texts that are those of the record before are shared with it.
  /// - Throws: `PostgresError` (`decoding`) for an action or a cause that is not known.
  init(_ row: AuditRow, _ slug: Slug?, like before: AuditRecord?) throws {
    guard let action = AuditAction(rawValue: row.action), let cause = AuditCause(rawValue: row.cause), let slug else {
      throw PostgresError(.decoding, "an audit row has an unknown action or cause")
    }
    self.init(
      position: row.position, user: UserID(stored: row.user), segment: SegmentID(stored: row.segment), slug: slug,
      action: action, cause: cause, actor: try Self.text(row.actor, like: before?.actor) ?? "",
      requestID: try Self.text(row.requestID, like: before?.requestID), expiresAt: row.expiresAt,
      effectiveAt: row.effectiveAt, recordedAt: row.recordedAt)
  }

  private static func text(_ bytes: UnsafeRawBufferPointer, like before: String?) throws -> String? {
    guard !bytes.isEmpty else { return nil }
    if let before, before.utf8.withContiguousStorageIfAvailable({ $0.elementsEqual(bytes) }) ?? false { return before }
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw PostgresError(.decoding, "an audit row is not UTF-8")
    }
    return text
  }
}
