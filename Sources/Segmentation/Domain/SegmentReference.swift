/// A segment's id: positive, given by the database, never used again.
package struct SegmentID: Hashable, Comparable, Sendable, CustomStringConvertible {
  /// 1 to 2^63 - 1.
  package let number: Int64

  /// - Parameter field: What the caller calls the value.
  /// - Throws: `SegmentationError.invalid` unless the number is positive.
  package init(_ number: Int64, field: String = "segment.id") throws(SegmentationError) {
    guard number > 0 else { throw .invalid(field: field, reason: "must be positive") }
    self.number = number
  }

  /// An id that the database holds.
  init(stored number: Int64) {
    self.number = number
  }

  package var description: String { String(number) }

  package static func < (left: SegmentID, right: SegmentID) -> Bool { left.number < right.number }
}

/// How a caller names a segment.
package enum SegmentReference: Hashable, Sendable, CustomStringConvertible {
  /// The living segment of that name.
  case slug(Slug)
  /// That very segment, while it lives.
  case id(SegmentID)

  package var description: String {
    switch self {
    case .slug(let slug): slug.text
    case .id(let id): String(id.number)
    }
  }

  var slugText: String? { if case .slug(let slug) = self { slug.text } else { nil } }
  var idNumber: Int64? { if case .id(let id) = self { id.number } else { nil } }
}
