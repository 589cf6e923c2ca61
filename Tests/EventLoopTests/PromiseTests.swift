import EventLoop
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(5))) struct PromiseTests {
  struct Failure: Error, Equatable { let number: Int }

  @Test("a value that is there before the waiter is returned at once")
  func settledBefore() async throws {
    let value = try await withLoop { loop in
      let promise = Promise<Int>(on: loop)
      promise.succeed(7)
      #expect(promise.isSettled)
      return try await promise.value()
    }
    #expect(value == 7)
  }

  @Test("a waiting task gets the value of a later callback")
  func settledAfter() async throws {
    let value = try await withLoop { loop in
      let promise = Promise<Int>(on: loop)
      loop.execute { promise.succeed(8) }
      #expect(!promise.isSettled)
      return try await promise.value()
    }
    #expect(value == 8)
  }

  @Test("only the first result counts")
  func firstWins() async throws {
    try await withLoop { loop in
      let promise = Promise<Int>(on: loop)
      promise.fail(Failure(number: 1))
      promise.succeed(2)
      promise.fail(Failure(number: 3))
      await #expect(throws: Failure(number: 1)) { try await promise.value() }
    }
  }

  @Test("cancelling the task ends its wait, from the loop and from another thread", arguments: [true, false])
  func cancellation(fromLoop: Bool) async throws {
    try await withLoop { loop in
      let promise = Promise<Int>(on: loop)
      let waiting = Task.immediate(executorPreference: loop) { try await promise.value() }
      if fromLoop {
        waiting.cancel()
      } else {
        await Task.detached { waiting.cancel() }.value
      }
      await #expect(throws: CancellationError.self) { try await waiting.value }
      #expect(promise.isSettled)
      promise.succeed(1)
    }
  }

  @Test("a task that is cancelled already does not wait")
  func cancelledBefore() async throws {
    try await withLoop { loop in
      let promise = Promise<Int>(on: loop)
      let task = Task(executorPreference: loop) { try await promise.value() }
      task.cancel()
      await #expect(throws: CancellationError.self) { try await task.value }
    }
  }

  @Test("a result and a cancellation may race: one of them wins and nothing hangs")
  func race() async throws {
    try await withLoop { loop in
      for number in 0..<500 {
        let promise = Promise<Int>(on: loop)
        let waiting = Task.immediate(executorPreference: loop) { try await promise.value() }
        let canceller = Task.detached { waiting.cancel() }
        loop.execute { promise.succeed(number) }
        switch await waiting.result {
        case .success(let value): #expect(value == number)
        case .failure(let error): #expect(error is CancellationError)
        }
        await canceller.value
      }
    }
  }
}
