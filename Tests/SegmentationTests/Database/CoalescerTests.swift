import EventLoop
import TestSupport
import Testing

@testable import Segmentation

@Suite(.timeLimit(.minutes(5))) struct CoalescerTests {
  /// The batches that ran, each held until it is let go. Confined to its loop.
  private final class Batches: @unchecked Sendable {
    private let loop: EventLoop
    private var gates: [Promise<Void>] = []
    private(set) var all: [[Int]] = []

    init(on loop: EventLoop) {
      self.loop = loop
    }

    func run(_ batch: [Int]) async -> [Result<Int, SegmentationError>] {
      let gate = Promise<Void>(on: loop)
      all.append(batch)
      gates.append(gate)
      try? await gate.value()
      return batch.map { $0 < 0 ? .failure(.internal("negative")) : .success($0 * 10) }
    }

    /// Lets batch after batch go until `count` have.
    func release(_ count: Int) async {
      for index in 0..<count {
        while gates.count <= index { await Task.yield() }
        gates[index].succeed(())
      }
    }
  }

  private func submitting(
    _ items: [Int], minimum: Int?, maximum: Int, batches count: Int
  ) async throws -> (batches: [[Int]], answers: [Int?]) {
    try await withLoop { loop in
      let batches = Batches(on: loop)
      let coalescer = Coalescer<Int, Int>(on: loop, minimumBatch: minimum, maximumBatch: maximum) { batch, _ in
        await batches.run(batch)
      }
      let calls = items.map { item in
        Task.immediate(executorPreference: loop) { try? await coalescer.submit(item, deadline: nil) }
      }
      await batches.release(count)
      var answers: [Int?] = []
      for call in calls { answers.append(await call.value) }
      return (batches.all, answers)
    }
  }

  @Test("what comes while a batch runs shares the next one, and each gets its own answer")
  func shares() async throws {
    let (batches, answers) = try await submitting([1, 2, -3, 4], minimum: nil, maximum: 8, batches: 2)
    #expect(batches == [[1], [2, -3, 4]])
    #expect(answers == [10, 20, nil, 40])
  }

  @Test("a batch is no larger than the maximum")
  func maximum() async throws {
    let (batches, _) = try await submitting(Array(1...8), minimum: nil, maximum: 3, batches: 4)
    #expect(batches == [[1], [2, 3, 4], [5, 6, 7], [8]])
  }

  @Test("a batch is a quarter of what waits, but not less than the minimum")
  func quarter() async throws {
    let (batches, answers) = try await submitting(Array(1...17), minimum: 3, maximum: 100, batches: 6)
    #expect(batches.map(\.count) == [1, 4, 3, 3, 3, 3])
    #expect(answers == (1...17).map { $0 * 10 })
  }

  @Test("who goes away while it waits is left out")
  func cancelled() async throws {
    try await withLoop { loop in
      let batches = Batches(on: loop)
      let coalescer = Coalescer<Int, Int>(on: loop, maximumBatch: 8) { batch, _ in await batches.run(batch) }
      let calls = (1...3).map { item in
        Task.immediate(executorPreference: loop) { try await coalescer.submit(item, deadline: nil) }
      }
      calls[1].cancel()
      await #expect(throws: SegmentationError.self) { try await calls[1].value }
      await batches.release(2)
      let answer = try await calls[2].value
      #expect(answer == 30)
      #expect(batches.all == [[1], [3]])
    }
  }
}
