/// How many entries a page has at most: 1 to 1,000.
package struct PageSize: Hashable, Sendable {
  package static let standard = 100
  package static let maximum = 1000

  package let count: Int

  /// 0 means 100, and more than 1,000 means 1,000.
  /// - Throws: `SegmentationError.invalid` for a negative size.
  package init(_ asked: Int32, field: String = "page_size") throws(SegmentationError) {
    guard asked >= 0 else { throw .invalid(field: field, reason: "must not be negative") }
    count = asked == 0 ? Self.standard : min(Int(asked), Self.maximum)
  }
}
