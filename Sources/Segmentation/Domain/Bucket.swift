import Digest

/// Where a user stands in a segment's outreach: the same number in every program and for ever (docs/outreach.md).
///
/// The first four bytes, big endian, of SHA-256 over the ASCII text `<segment id>:<user id>`, times 1,000,000, shifted
/// right by 32. `segmentd.bucket` is the same in SQL.
package struct Bucket: Hashable, Comparable, Sendable {
  /// 0 to 999,999.
  package let number: Int32

  /// - Throws: `SegmentationError.internal` when the system offers no SHA-256.
  package init(of user: UserID, in segment: SegmentID) throws(SegmentationError) {
    let digest = try Fingerprint.digest(of: "\(segment.number):\(user.number)")
    let head = digest.prefix(4).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    number = Int32((head * 1_000_000) >> 32)
  }

  package static func < (left: Bucket, right: Bucket) -> Bool { left.number < right.number }
}

/// SHA-256 over what a caller asked, to tell a repeated request from another one under the same id.
enum Fingerprint {
  static func digest(of text: String) throws(SegmentationError) -> [UInt8] {
    do {
      let sha = try SHA256()
      sha.update(Array(text.utf8))
      return sha.finish()
    } catch {
      throw .internal("no SHA-256 on this system")
    }
  }

  /// 64 hexadecimal digits.
  static func hex(of text: String) throws(SegmentationError) -> String {
    hex(try digest(of: text))
  }

  static func hex(_ bytes: [UInt8]) -> String {
    let digits = Array("0123456789abcdef".utf8)
    return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
  }
}
