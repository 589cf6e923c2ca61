import Postgres

/// Turns rows of the audit log into records. Confined to its loop.
///
/// Most rows of a run have the texts of the row before, and the slug of a segment is always the same: those are shared
/// instead of made anew.
final class AuditDecoder: @unchecked Sendable {
  private var slugs: [Int64: Slug] = [:]
  private var lastActor = ""
  private var lastRequest = ""

  /// - Parameter bytes: A row of `AuditStore.read`'s COPY.
  /// - Throws: `PostgresError` (`decoding`).
  func record(_ bytes: UnsafeRawBufferPointer) throws -> AuditRecord {
    var reader = WireReader(bytes)
    guard try reader.fieldCount() == 13 else { throw Self.unexpected }
    let position = AuditPosition(
      era: Int32(truncatingIfNeeded: try reader.int64()), xid: try reader.int64(), sequence: try reader.int64())
    let user = try reader.int64()
    let segment = try reader.int64()
    guard let action = AuditAction(rawValue: Int16(truncatingIfNeeded: try reader.int64())),
      let cause = AuditCause(rawValue: Int16(truncatingIfNeeded: try reader.int64()))
    else { throw Self.unexpected }
    let expiresAt = try reader.optionalTimestamp()
    let effectiveAt = try reader.timestamp()
    let recordedAt = try reader.timestamp()
    return AuditRecord(
      position: position, user: UserID(stored: user), segment: SegmentID(stored: segment),
      slug: try slug(of: segment, try reader.field()), action: action, cause: cause,
      actor: try Self.shared(try reader.field(), with: &lastActor) ?? "",
      requestID: try Self.shared(try reader.field(), with: &lastRequest), expiresAt: expiresAt,
      effectiveAt: effectiveAt, recordedAt: recordedAt)
  }

  private func slug(of segment: Int64, _ bytes: UnsafeRawBufferPointer?) throws -> Slug {
    if let slug = slugs[segment] { return slug }
    guard let bytes, let text = String(validating: bytes, as: UTF8.self) else { throw Self.unexpected }
    let slug = Slug(stored: text)
    slugs[segment] = slug
    return slug
  }

  private static func shared(_ bytes: UnsafeRawBufferPointer?, with last: inout String) throws -> String? {
    guard let bytes else { return nil }
    let isSame = last.utf8.withContiguousStorageIfAvailable { $0.elementsEqual(bytes) } ?? false
    if isSame { return last }
    guard let text = String(validating: bytes, as: UTF8.self) else { throw unexpected }
    last = text
    return text
  }

  private static let unexpected = PostgresError(.decoding, "an audit row is not as expected")
}
