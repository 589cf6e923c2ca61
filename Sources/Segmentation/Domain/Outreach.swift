/// The fraction of all users that a segment brings in by itself, kept in parts per million.
package struct Outreach: Hashable, Comparable, Sendable {
  /// 0 to 1,000,000.
  package let partsPerMillion: Int32

  /// Nobody.
  package static let none = Outreach(stored: 0)

  /// Rounds to the nearest part per million.
  /// - Throws: `SegmentationError.invalid` unless the fraction is a number from 0 to 1.
  package init(_ fraction: Double, field: String = "outreach") throws(SegmentationError) {
    // Written so that NaN fails it.
    guard fraction >= 0, fraction <= 1 else { throw .invalid(field: field, reason: "must be a number from 0 to 1") }
    partsPerMillion = Int32((fraction * 1_000_000).rounded())
  }

  /// A figure that the database holds.
  init(stored partsPerMillion: Int32) {
    self.partsPerMillion = partsPerMillion
  }

  /// 0 to 1.
  package var fraction: Double { Double(partsPerMillion) / 1_000_000 }

  /// Whether it brings in the users of that bucket.
  package func covers(_ bucket: Bucket) -> Bool { bucket.number < partsPerMillion }

  package static func < (left: Outreach, right: Outreach) -> Bool { left.partsPerMillion < right.partsPerMillion }
}
