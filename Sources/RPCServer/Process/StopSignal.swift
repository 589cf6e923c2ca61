import EventLoop
import Synchronization

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// The wish to stop: the first SIGINT or SIGTERM asks for it, a second one ends the process at once.
final class StopSignal: Sendable {
  private struct State {
    var isRequested = false
    var waiters: [CheckedContinuation<Void, Never>] = []
  }

  private let state = Mutex(State())

  /// Watches the signals on `loop`.
  /// - Returns: What must be kept while they are watched.
  func watch(on loop: EventLoop) async throws -> [SignalWatcher] {
    try await loop.perform {
      [SIGINT, SIGTERM].map { number in SignalWatcher(number, on: loop) { self.received(number) } }
    }
  }

  private func received(_ number: Int32) {
    let (isSecond, waiters) = state.withLock { state in
      defer {
        state.isRequested = true
        state.waiters = []
      }
      return (state.isRequested, state.waiters)
    }
    if isSecond { _exit(128 + number) }
    for waiter in waiters { waiter.resume() }
  }

  var isRequested: Bool { state.withLock { $0.isRequested } }

  /// Returns when a signal has come.
  func wait() async {
    await withCheckedContinuation { continuation in
      let isRequested = state.withLock { state in
        if !state.isRequested { state.waiters.append(continuation) }
        return state.isRequested
      }
      if isRequested { continuation.resume() }
    }
  }
}
