import EventLoop
import Postgres

/// Tells those who follow the audit log, in whatever process, that there is something new. Confined to its loop.
///
/// It is told behind the commit. Those of its own process hear the bell; for the others it sends from a connection of its own, one
/// notification for all that happened since the one before: NOTIFY in a writing transaction would make commits wait for each other.
/// One that is lost costs a follower no more than the time to its next poll.
package final class AuditNotifier: @unchecked Sendable {
  static let channel = "segmentd_audit"
  /// Between two notifications.
  private static let pause = Duration.milliseconds(1)
  private static let patience = Duration.seconds(1)

  private static let notify = Statement(
    "audit_notify",
    """
    SELECT pg_notify('\(channel)', $1)
    """)

  private let loop: EventLoop
  private let pool: PostgresPool
  private let bell: AuditBell
  private var isWanted = false
  private var isBusy = false
  /// When the last one had been sent.
  private var last = ContinuousClock.now - pause

  /// - Parameters:
  ///   - pool: Not the one that changes are written with.
  ///   - bell: The process's.
  package init(on loop: EventLoop, pool: PostgresPool, bell: AuditBell) {
    self.loop = loop
    self.pool = pool
    self.bell = bell
  }

  /// Never waits.
  package func recordsWritten() {
    bell.ring()
    isWanted = true
    guard !isBusy else { return }
    isBusy = true
    loop.spawn { [self] in await send() }
  }

  private func send() async {
    while isWanted {
      // A task that sleeps costs as much as the notification itself: the first one in a while goes at once.
      let rest = Self.pause - (ContinuousClock.now - last)
      if rest > .zero { try? await Task.sleep(for: rest) }
      isWanted = false
      _ = try? await pool.query(Self.notify, [.text(bell.name)], deadline: .now + Self.patience)
      last = .now
    }
    isBusy = false
  }
}
