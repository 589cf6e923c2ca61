import EventLoop
import Synchronization
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(5))) struct EventLoopTests {
  @Test("a task of the loop never leaves its thread, whatever it awaits")
  func staysOnItsThread() async throws {
    try await withLoop { loop in
      #expect(loop.isCurrent)
      try await loop.sleep(for: .milliseconds(1))
      #expect(loop.isCurrent)
      await Task.detached { #expect(!loop.isCurrent) }.value
      #expect(loop.isCurrent)
      loop.checkIsolated()
    }
  }

  @Test("work from many threads all arrives, in the order of each thread")
  func foreignWork() async throws {
    let threads = 4
    let each = 2_000
    try await withLoop { loop in
      let log = Log()
      await withTaskGroup(of: Void.self) { group in
        for thread in 0..<threads {
          group.addTask(executorPreference: globalConcurrentExecutor) {
            for number in 0..<each { loop.execute { log.entries.append((thread, number)) } }
          }
        }
      }
      try await eventually(on: loop) { log.entries.count == threads * each }
      for thread in 0..<threads {
        #expect(log.entries.filter { $0.0 == thread }.map(\.1) == Array(0..<each))
      }
    }
  }

  @Test("a job from another thread wakes a loop that sleeps")
  func foreignWakeUp() async throws {
    let loop = try EventLoop(name: "idle")
    let thread = try loop.start()
    for number in 0..<1_000 {
      let answer = try await loop.perform { number + 1 }
      #expect(answer == number + 1)
    }
    loop.stop()
    thread.join()
    #expect(!loop.isCurrent)
  }

  @Test("what perform throws reaches the caller")
  func performThrows() async throws {
    struct Failure: Error {}
    let loop = try EventLoop(name: "throws")
    let thread = try loop.start()
    await #expect(throws: Failure.self) { try await loop.perform { throw Failure() } }
    loop.stop()
    thread.join()
  }

  @Test("a spawned task runs at once on the loop, up to its first suspension")
  func spawnIsImmediate() async throws {
    try await withLoop { loop in
      let log = Log()
      loop.spawn {
        log.entries.append((1, 0))
        await Task.yield()
        log.entries.append((3, 0))
      }
      log.entries.append((2, 0))
      try await eventually(on: loop) { log.entries.count == 3 }
      #expect(log.entries.map(\.0) == [1, 2, 3])
    }
  }

  @Test("executeNow runs at once on the loop, execute later in the turn")
  func executeOrder() async throws {
    try await withLoop { loop in
      let log = Log()
      loop.execute { log.entries.append((2, 0)) }
      loop.executeNow { log.entries.append((1, 0)) }
      try await eventually(on: loop) { log.entries.count == 2 }
      #expect(log.entries.map(\.0) == [1, 2])
    }
  }

  @Test("a turn's end comes once, after the jobs that the turn made runnable")
  func turnEnd() async throws {
    final class Flush: EventLoop.TurnEnd {
      let log: Log
      init(_ log: Log) { self.log = log }
      func turnEnded() { log.entries.append((9, 0)) }
    }
    try await withLoop { loop in
      let log = Log()
      loop.execute {
        loop.atTurnEnd(Flush(log))
        for number in 0..<3 {
          let gate = Promise<Void>(on: loop)
          loop.spawn {
            try? await gate.value()
            log.entries.append((number, 0))
          }
          gate.succeed(())
        }
      }
      try await eventually(on: loop) { log.entries.count == 4 }
      #expect(log.entries.map(\.0) == [0, 1, 2, 9])
    }
  }

  @Test("tasks that keep yielding do not starve the loop's timers")
  func yieldingTasks() async throws {
    try await withLoop { loop in
      let isDone = Flag()
      let busy = loop.spawn { while !isDone.isSet { await Task.yield() } }
      let timer = Timer(on: loop) { isDone.isSet = true }
      timer.schedule(after: .milliseconds(5))
      await busy.value
      #expect(isDone.isSet)
    }
  }

  @Test("a loop that was told to stop before it ran does not run")
  func stoppedBefore() throws {
    let loop = try EventLoop(name: "stopped")
    loop.stop()
    loop.run()
  }

  @Test("loops come and go without keeping their memory")
  func loopsAreFreed() throws {
    weak var gone: EventLoop?
    for _ in 0..<50 {
      let loop = try EventLoop(name: "short")
      let thread = try loop.start()
      loop.execute {}
      loop.stop()
      thread.join()
      gone = loop
    }
    #expect(gone == nil)
  }
}

/// Confined to the test's loop.
final class Log: @unchecked Sendable {
  var entries: [(Int, Int)] = []
}

/// Confined to the test's loop.
final class Flag: @unchecked Sendable {
  var isSet = false
}

struct NeverTrue: Error {}

/// Waits, on the loop, until a condition holds; gives up after a minute.
func eventually(on loop: EventLoop, _ condition: () -> Bool) async throws {
  let limit = ContinuousClock.now + .seconds(60)
  while !condition() {
    guard ContinuousClock.now < limit else { throw NeverTrue() }
    try await loop.sleep(for: .milliseconds(1))
  }
}
