import EventLoop
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(5))) struct TimerTests {
  @Test("timers fire in the order of their delays, and not before")
  func order() async throws {
    try await withLoop { loop in
      let log = Log()
      let start = ContinuousClock.now
      // Far enough apart for a thread that is not let run between two of them.
      let timers = [900, 100, 500].map { delay in
        let timer = Timer(on: loop) {
          #expect(ContinuousClock.now - start >= .milliseconds(delay - 1))
          log.entries.append((delay, 0))
        }
        timer.schedule(after: .milliseconds(delay))
        return timer
      }
      try await eventually(on: loop) { log.entries.count == 3 }
      #expect(log.entries.map(\.0) == [100, 500, 900])
      withExtendedLifetime(timers) {}
    }
  }

  @Test("a timer that is cancelled, set anew or freed keeps quiet")
  func cancelled() async throws {
    try await withLoop { loop in
      let log = Log()
      let cancelled = Timer(on: loop) { log.entries.append((1, 0)) }
      cancelled.schedule(after: .milliseconds(1))
      cancelled.cancel()
      let later = Timer(on: loop) { log.entries.append((2, 0)) }
      later.schedule(after: .milliseconds(1))
      later.schedule(after: .seconds(3600))
      var freed: Timer? = Timer(on: loop) { log.entries.append((3, 0)) }
      freed?.schedule(after: .milliseconds(1))
      freed = nil
      try await loop.sleep(for: .milliseconds(20))
      #expect(log.entries.isEmpty)
      withExtendedLifetime((cancelled, later)) {}
    }
  }

  @Test("delays at both ends of the range: below zero fires at once, the largest never")
  func extremes() async throws {
    try await withLoop { loop in
      let flag = Flag()
      let never = Timer(on: loop) { Issue.record("fired") }
      never.schedule(after: .seconds(Int64.max))
      let now = Timer(on: loop) { flag.isSet = true }
      now.schedule(after: .seconds(-5))
      try await eventually(on: loop) { flag.isSet }
      withExtendedLifetime((never, now)) {}
    }
  }

  @Test("a timer may free itself in its own action")
  func freesItself() async throws {
    final class Owner: @unchecked Sendable { var timer: Timer? }
    try await withLoop { loop in
      let owner = Owner()
      owner.timer = Timer(on: loop) { owner.timer = nil }
      owner.timer?.schedule(after: .zero)
      try await eventually(on: loop) { owner.timer == nil }
    }
  }

  @Test("cancelling a sleeping task wakes it at once")
  func cancelledSleep() async throws {
    try await withLoop { loop in
      let sleeper = Task.immediate(executorPreference: loop) { try await loop.sleep(for: .seconds(3600)) }
      sleeper.cancel()
      await #expect(throws: CancellationError.self) { try await sleeper.value }
    }
  }
}
