import EventLoop
import Synchronization

/// Tells those of this process who follow the audit log that something has been committed: sooner than the database could, and without
/// asking it. Its notifications are for the other processes. Callable from any thread.
package final class AuditBell: Sendable {
  /// One feed's end of it.
  private final class Hearer: Sendable {
    private let isRinging = Atomic<Bool>(false)
    private let loop: EventLoop
    private let action: @Sendable () -> Void

    init(on loop: EventLoop, _ action: @escaping @Sendable () -> Void) {
      self.loop = loop
      self.action = action
    }

    /// However often it rings until the loop gets to it: once.
    func ring() {
      guard !isRinging.exchange(true, ordering: .acquiringAndReleasing) else { return }
      loop.executeNow { [self] in
        isRinging.store(false, ordering: .sequentiallyConsistent)
        action()
      }
    }
  }

  /// What this process's notifications carry, so that it need not listen to itself.
  let name = String(UInt64.random(in: 1 ... .max), radix: 36)
  private let hearers = Mutex<[ObjectIdentifier: Hearer]>([:])
  private let count = Atomic<Int>(0)

  package init() {}

  /// From now on `action` is called on the loop, once or more, behind each commit.
  func add(_ feed: AnyObject, on loop: EventLoop, _ action: @escaping @Sendable () -> Void) {
    hearers.withLock { hearers in
      hearers[ObjectIdentifier(feed)] = Hearer(on: loop, action)
      count.store(hearers.count, ordering: .sequentiallyConsistent)
    }
  }

  func remove(_ feed: AnyObject) {
    hearers.withLock { hearers in
      hearers[ObjectIdentifier(feed)] = nil
      count.store(hearers.count, ordering: .sequentiallyConsistent)
    }
  }

  /// Something has been committed. Costs next to nothing while nobody follows.
  func ring() {
    guard count.load(ordering: .sequentiallyConsistent) > 0 else { return }
    for hearer in hearers.withLock({ Array($0.values) }) { hearer.ring() }
  }
}
