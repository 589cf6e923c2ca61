import EventLoop

/// Answers all that is asked while it is busy with one batch in the next one. Confined to its loop.
///
///     idle ──submit──► busy with a batch of one ──done, some wait──► busy with all that wait ─┐
///       ▲                        │ done, nobody waits                  │                      │
///       └────────────────────────┴─────────────────────────────────────┘◄────────────────────┘
///
/// "All that wait" is a quarter of them where that is more than `minimumBatch`: otherwise all callers of a connection would be
/// answered at once and ask again at once, and PostgreSQL and this process would take turns instead of working side by side.
final class Coalescer<Item: Sendable, Answer: Sendable>: @unchecked Sendable {
  /// Answers a batch, in its order. The deadline is the latest of its items', nil when one has none.
  typealias Run = @Sendable ([Item], ContinuousClock.Instant?) async -> [Result<Answer, SegmentationError>]

  private struct Waiting {
    let item: Item
    let deadline: ContinuousClock.Instant?
    let promise: Promise<Answer>
  }

  private let loop: EventLoop
  private let minimumBatch: Int
  private let maximumBatch: Int
  private let run: Run
  private var isBusy = false
  private var waiting: [Waiting] = []

  /// - Parameter minimumBatch: So many are taken together when they are there; nil: as many as may be.
  init(on loop: EventLoop, minimumBatch: Int? = nil, maximumBatch: Int, run: @escaping Run) {
    self.loop = loop
    self.maximumBatch = max(1, maximumBatch)
    self.minimumBatch = min(max(1, minimumBatch ?? maximumBatch), self.maximumBatch)
    self.run = run
  }

  /// - Throws: What the batch answered for the item; `cancelled` when the caller goes away first.
  func submit(_ item: Item, deadline: ContinuousClock.Instant?) async throws(SegmentationError) -> Answer {
    loop.assertCurrent()
    if isBusy {
      let promise = Promise<Answer>(on: loop)
      waiting.append(Waiting(item: item, deadline: deadline, promise: promise))
      return try await translating { try await promise.value() }
    }
    // The first one needs no task of its own.
    isBusy = true
    let answers = await run([item], deadline)
    finishBatch()
    guard let answer = answers.first else { throw .internal("a batch has no answer") }
    return try answer.get()
  }

  private func finishBatch() {
    if waiting.isEmpty {
      isBusy = false
    } else {
      loop.spawn { [self] in await drain() }
    }
  }

  private func drain() async {
    while !waiting.isEmpty {
      let batch = Array(waiting.prefix(min(maximumBatch, max(minimumBatch, waiting.count / 4))))
      waiting.removeFirst(batch.count)
      // Those that went away while they waited are left out.
      let live = batch.filter { !$0.promise.isSettled }
      if live.isEmpty { continue }
      let answers = await run(live.map(\.item), latestDeadline(live))
      for (index, waiting) in live.enumerated() {
        if index < answers.count {
          waiting.promise.settle(answers[index].mapError { $0 as any Error })
        } else {
          waiting.promise.fail(SegmentationError.internal("a batch has no answer"))
        }
      }
    }
    isBusy = false
  }

  private func latestDeadline(_ batch: [Waiting]) -> ContinuousClock.Instant? {
    var latest: ContinuousClock.Instant?
    for waiting in batch {
      guard let deadline = waiting.deadline else { return nil }
      latest = max(latest ?? deadline, deadline)
    }
    return latest
  }
}
