import Synchronization

/// How many connections all loops of a server may have together.
final class ConnectionBudget: Sendable {
  private let limit: Int
  private let taken = Atomic<Int>(0)

  init(limit: Int) {
    self.limit = limit
  }

  /// - Returns: Whether there was room for one more.
  func take() -> Bool {
    guard taken.wrappingAdd(1, ordering: .relaxed).newValue > limit else { return true }
    giveBack()
    return false
  }

  func giveBack() {
    taken.wrappingSubtract(1, ordering: .relaxed)
  }
}
