import Proto

/// The audit log's CSV: what `segctl` writes and what the digest of a stream is made of.
///
///     user_id,segment_slug,action,stamp
///     42,BETA,ASSIGN,2026-05-01T12:00:00.000000Z
///
/// A slug never needs quotes. The stamp is the effective time in UTC.
package struct AuditLine: Sendable {
  package static let header = "user_id,segment_slug,action,stamp\n"

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
    Self.append(userID, to: &buffer)
    buffer.append(contentsOf: slug)
    switch action {
    case .assign: Self.append(",ASSIGN,", to: &buffer)
    case .deprive: Self.append(",DEPRIVE,", to: &buffer)
    case .renew: Self.append(",RENEW,", to: &buffer)
    default: buffer.append(contentsOf: ",\(action.name),".utf8)
    }
    if let seconds { stamp.append(seconds: seconds, nanos: nanos, to: &buffer) }
    buffer.append(UInt8(ascii: "\n"))
  }

  @inline(__always)
  private static func append(_ text: StaticString, to buffer: inout [UInt8]) {
    text.withUTF8Buffer { buffer.append(contentsOf: $0) }
  }

  /// Appends the number and a comma.
  private static func append(_ number: Int64, to buffer: inout [UInt8]) {
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 21) { digits in
      var next = digits.count - 1
      digits[next] = UInt8(ascii: ",")
      var rest = number.magnitude
      repeat {
        next -= 1
        digits[next] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
        rest /= 10
      } while rest > 0
      if number < 0 {
        next -= 1
        digits[next] = UInt8(ascii: "-")
      }
      buffer.append(contentsOf: UnsafeMutableBufferPointer(rebasing: digits[next...]))
    }
  }
}
