import Segmentation
import Synchronization

/// What keeps the server from doing its work just now.
final class Readiness: Sendable {
  private static let interval = Duration.seconds(1)

  private let state = Mutex<String?>(nil)

  /// In words for an operator; nil when nothing is missing.
  var missing: String? {
    get { state.withLock { $0 } }
    set { state.withLock { $0 = newValue } }
  }

  /// Asks the database now and then until the task is cancelled.
  func watch(_ installation: Installation) async {
    while !Task.isCancelled {
      let deadline = ContinuousClock.now + Self.interval
      do throws(SegmentationError) {
        try await installation.check(deadline: deadline)
        missing = nil
      } catch {
        if error == .cancelled { return }
        missing = "\(error)"
      }
      do { try await Task.sleep(for: Self.interval) } catch { return }
    }
  }
}
