import Proto

/// The audit log's CSV: what `segctl` writes and what the digest of a stream is made of.
///
///     user_id,segment_slug,action,stamp
///     42,BETA,ASSIGN,2026-05-01T12:00:00.000000Z
///
/// A slug never needs quotes. The stamp is the effective time in UTC.
package struct AuditLine: Sendable {
  package static let header = "user_id,segment_slug,action,stamp\n"

  private static let assign = Array(",ASSIGN,".utf8)
  private static let deprive = Array(",DEPRIVE,".utf8)
  private static let renew = Array(",RENEW,".utf8)

  private var stamp = StampFormatter()

  package init() {}

  /// Appends the record's line with its line feed.
  package mutating func append(_ record: AuditRecord, to buffer: inout [UInt8]) {
    Self.append(record.userID, to: &buffer)
    buffer.append(UInt8(ascii: ","))
    buffer.append(contentsOf: record.segmentSlug.utf8)
    switch record.action {
    case .assign: buffer.append(contentsOf: Self.assign)
    case .deprive: buffer.append(contentsOf: Self.deprive)
    case .renew: buffer.append(contentsOf: Self.renew)
    default: buffer.append(contentsOf: ",\(record.action.name),".utf8)
    }
    if let time = record.effectiveTime { stamp.append(time, to: &buffer) }
    buffer.append(UInt8(ascii: "\n"))
  }

  private static func append(_ number: Int64, to buffer: inout [UInt8]) {
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 20) { digits in
      var next = digits.count
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
      buffer.append(contentsOf: digits[next...])
    }
  }
}
