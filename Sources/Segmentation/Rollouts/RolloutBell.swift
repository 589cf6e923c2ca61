import Synchronization

/// Tells the process's worker that there is something to do. Whatever the other processes of the database begin, it finds when
/// it looks by itself.
package final class RolloutBell: Sendable {
  private let action = Mutex<(@Sendable () -> Void)?>(nil)

  package init() {}

  /// What to do when it rings, on whatever thread.
  func answer(_ action: (@Sendable () -> Void)?) {
    self.action.withLock { $0 = action }
  }

  func ring() {
    action.withLock { $0 }?()
  }
}
