import Proto

/// The audit log's CSV: what `segctl` writes and what the digest of a stream is made of.
///
///     user_id,segment_slug,action,stamp
///     42,BETA,ASSIGN,2026-05-01T12:00:00.000000Z
///
/// A slug never needs quotes. The stamp is the effective time in UTC.
package struct AuditLine: Sendable {
  package static let header = "user_id,segment_slug,action,stamp\n"

  /// What a line takes at most besides its slug: two numbers of 20 digits, an action's name, a stamp.
  private static let fixedBytes = 160

  private var stamp = StampFormatter()

  package init() {}

  /// Appends the record's line with its line feed.
  package mutating func append(_ record: AuditRecord, to buffer: inout [UInt8]) {
    var slug = record.segmentSlug
    slug.withUTF8 { slug in
      append(
        userID: record.userID, slug: UnsafeRawBufferPointer(slug), action: record.action,
        seconds: record.effectiveTime?.seconds,
        nanos: record.effectiveTime?.nanos ?? 0, to: &buffer)
    }
  }

  /// Appends a record's line with its line feed.
  /// - Parameters:
  ///   - slug: Lent for the call.
  ///   - seconds: Of the effective time, since 1970; nil for none.
  @inline(__always)
  package mutating func append(
    userID: Int64, slug: UnsafeRawBufferPointer, action: AuditAction, seconds: Int64?, nanos: Int32,
    to buffer: inout [UInt8]
  ) {
    withUnsafeTemporaryAllocation(byteCount: Self.fixedBytes + slug.count, alignment: 1) { scratch in
      guard let start = scratch.baseAddress else { return }
      var line = TextCursor(start)
      line.number(userID)
      line.byte(UInt8(ascii: ","))
      line.bytes(slug)
      switch action {
      case .assign: line.text(",ASSIGN,")
      case .deprive: line.text(",DEPRIVE,")
      case .renew: line.text(",RENEW,")
      default:
        line.byte(UInt8(ascii: ","))
        line.string(action.name)
        line.byte(UInt8(ascii: ","))
      }
      if let seconds { stamp.write(seconds: seconds, nanos: nanos, to: &line) }
      line.byte(UInt8(ascii: "\n"))
      buffer.append(contentsOf: UnsafeRawBufferPointer(start: start, count: line.next - start))
    }
  }
}
