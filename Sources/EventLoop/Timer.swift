import CEvent

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Calls its action once after a delay, unless it is cancelled or set anew before. Confined to its loop.
package final class Timer: @unchecked Sendable {
  private var event: OpaquePointer?
  private let action: () -> Void
  private let loop: EventLoop
  private var due = ContinuousClock.now

  package init(on loop: EventLoop, _ action: @escaping () -> Void) {
    self.loop = loop
    self.action = action
    event = event_new(
      loop.base, -1, 0,
      { _, _, context in
        guard let context else { return }
        Unmanaged<Timer>.fromOpaque(context).takeUnretainedValue().fire()
      }, Unmanaged.passUnretained(self).toOpaque())
  }

  deinit {
    event.map(event_free)
  }

  /// Sets the timer, replacing an earlier setting. It never fires early; a delay below zero fires in the next turn.
  package func schedule(after delay: Duration) {
    due = .now + delay
    wait(delay)
  }

  /// libevent's clock is the system's coarse one, which lags by up to 4 ms: a timer that comes early waits for the rest.
  private func fire() {
    let left = due - .now
    if left > .zero { wait(left) } else { action() }
  }

  private func wait(_ delay: Duration) {
    guard let event else { return }
    var time = timeval()
    if delay > .zero {
      let (seconds, attoseconds) = delay.components
      // A century is "never", and keeps the sum that libevent makes within its time_t.
      time.tv_sec = .init(min(seconds, 3_155_760_000))
      time.tv_usec = .init(attoseconds / 1_000_000_000_000)
    }
    event_add(event, &time)
  }

  package func cancel() {
    event.map { _ = event_del($0) }
  }
}

extension EventLoop {
  /// Suspends the calling task; other work of the loop goes on.
  /// - Throws: `CancellationError` when the task is cancelled meanwhile.
  package func sleep(for delay: Duration) async throws {
    let promise = Promise<Void>(on: self)
    let timer = Timer(on: self) { promise.succeed(()) }
    timer.schedule(after: delay)
    defer { timer.cancel() }
    try await promise.value()
  }
}
