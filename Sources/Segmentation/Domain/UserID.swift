/// A user: a positive number that the caller chose.
package struct UserID: Hashable, Comparable, Sendable, CustomStringConvertible {
  /// 1 to 2^63 - 1.
  package let number: Int64

  /// - Parameter field: What the caller calls the value.
  /// - Throws: `SegmentationError.invalid` unless the number is positive.
  package init(_ number: Int64, field: String = "user_id") throws(SegmentationError) {
    guard number > 0 else { throw .invalid(field: field, reason: "must be positive") }
    self.number = number
  }

  /// An id that the database holds.
  init(stored number: Int64) {
    self.number = number
  }

  package var description: String { String(number) }

  package static func < (left: UserID, right: UserID) -> Bool { left.number < right.number }
}
