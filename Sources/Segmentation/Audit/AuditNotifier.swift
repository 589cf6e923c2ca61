import EventLoop
import Postgres

/// Tells those who follow the audit log, in whatever process, that there is something new. Confined to its loop.
///
/// It is told behind the commit and sends from a connection of its own, one notification for all that happened since the one
/// before: NOTIFY in a writing transaction would make commits wait for each other. One that is lost costs a follower no more than
/// the time to its next poll.
package final class AuditNotifier: @unchecked Sendable {
  static let channel = "segmentd_audit"
  /// Between two notifications.
  private static let pause = Duration.milliseconds(1)
  private static let patience = Duration.seconds(1)

  private static let notify = Statement(
    "audit_notify",
    """
    SELECT pg_notify('\(channel)', '')
    """)

  private let loop: EventLoop
  private let pool: PostgresPool
  private var isWanted = false
  private var isBusy = false

  /// - Parameter pool: Not the one that changes are written with.
  package init(on loop: EventLoop, pool: PostgresPool) {
    self.loop = loop
    self.pool = pool
  }

  /// Never waits.
  package func recordsWritten() {
    isWanted = true
    guard !isBusy else { return }
    isBusy = true
    loop.spawn { [self] in await send() }
  }

  private func send() async {
    while isWanted {
      isWanted = false
      _ = try? await pool.query(Self.notify, [], deadline: .now + Self.patience)
      try? await Task.sleep(for: Self.pause)
    }
    isBusy = false
  }
}
