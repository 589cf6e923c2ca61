import Metrics
import Segmentation
import Synchronization

/// What keeps the server from doing its work just now. Any thread may ask.
final class Readiness: Sendable {
  private struct State {
    var isStopping = false
    var complaint: String?
  }

  private static let interval = Duration.seconds(1)
  private static let family = MetricFamily(
    "segmentd_ready", .gauge, "1 when the server can do its work, 0 when /readyz says what is missing")

  private let state = Mutex(State())

  /// In words for an operator; nil when nothing is missing.
  var missing: String? {
    state.withLock { $0.isStopping ? "stopping" : $0.complaint }
  }

  /// From now on that is what is missing, whatever the database says.
  func stop() {
    state.withLock { $0.isStopping = true }
  }

  func collect(into set: inout MetricSet) {
    set.add(Self.family, missing == nil ? 1 : 0)
  }

  /// Asks the database now and then until the task is cancelled.
  func watch(_ installation: Installation, _ migrator: Migrator) async {
    while !Task.isCancelled {
      let deadline = ContinuousClock.now + Self.interval
      do throws(SegmentationError) {
        try await migrator.requireEnough(deadline: deadline)
        try await installation.check(deadline: deadline)
        state.withLock { $0.complaint = nil }
      } catch {
        if error == .cancelled { return }
        state.withLock { $0.complaint = "\(error)" }
      }
      do { try await Task.sleep(for: Self.interval) } catch { return }
    }
  }
}
