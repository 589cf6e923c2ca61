import EventLoop
import Logging
import Postgres

/// Works off changes of outreach and deletions of segments, a chunk at a time, on a connection of its own. Any number of
/// instances may run: what one has taken for a chunk, the others pass over. Confined to its loop.
///
///     idle ──the bell, or a second is over──► chunk of a deletion, chunk of a rollout ──► ... ──nothing left──► idle
///
/// Of several the one that has waited longest comes first, so a small one does not wait for a large one's end.
package final class RolloutWorker: @unchecked Sendable {
  private static let pollInterval = Duration.seconds(1)

  let pool: PostgresPool
  let installation: Installation
  let settings: SegmentationSettings
  private let loop: EventLoop
  private let logger: Logger
  private let bell: RolloutBell
  private var wakeUp: Promise<Void>?
  private var isRung = false
  /// Of rollouts that go through users, those that go through members, and deletions.
  private var sizes: [ChunkSize]

  /// - Parameters:
  ///   - pool: One connection will do.
  ///   - installation: Hears of what is written to the audit log.
  package init(
    on loop: EventLoop, pool: PostgresPool, installation: Installation,
    settings: SegmentationSettings = SegmentationSettings(), bell: RolloutBell = RolloutBell(),
    logger: Logger = Logger(label: "rollouts")
  ) {
    self.loop = loop
    self.pool = pool
    self.installation = installation
    self.settings = settings
    self.bell = bell
    self.logger = logger
    sizes = Array(repeating: ChunkSize(target: settings.rolloutChunk), count: RolloutChunk.Kind.allCases.count)
  }

  /// Works until its task is cancelled. What goes wrong is logged and tried again.
  package func run() async {
    bell.answer { [self] in loop.execute { self.rung() } }
    defer { bell.answer(nil) }
    while !Task.isCancelled {
      isRung = false
      do throws(SegmentationError) {
        try await drain()
      } catch {
        if error == .cancelled { return }
        installation.statistics.failedRollouts += 1
        logger.warning("could not go on with a rollout", metadata: ["error": "\(error)"])
        isRung = false
      }
      await rest()
    }
  }

  /// Works until nothing is left that nobody else works on.
  /// - Throws: `SegmentationError`.
  package func drain() async throws(SegmentationError) {
    while try await turn() {}
  }

  /// A chunk of a deletion and a chunk of a rollout.
  /// - Returns: Whether there was anything to do.
  func turn() async throws(SegmentationError) -> Bool {
    let deprived = try await step(RolloutChunk.deletion)
    let enrolled = try await step(RolloutChunk.rollout)
    return deprived || enrolled
  }

  /// - Returns: Whether there was anything to do.
  private func step(
    _ body: (PostgresConnection, (RolloutChunk.Kind) -> Int) async throws -> RolloutChunk?
  ) async throws(SegmentationError) -> Bool {
    let retry = Retry(pool: pool, settings: settings, deadline: nil)
    var attempt = 1
    while true {
      let begun = ContinuousClock.now
      do {
        let chunk = try await pool.transaction { connection in
          try await body(connection) { [sizes] in sizes[$0.rawValue].rows }
        }
        guard let chunk else { return false }
        installation.committed(chunk.position)
        installation.statistics.rolled(chunk)
        sizes[chunk.kind.rawValue].took(.now - begun, rows: chunk.rows)
        return true
      } catch {
        try await retry.prepareNext(after: error, attempt: attempt)
        for index in sizes.indices { sizes[index].collided() }
        attempt += 1
      }
    }
  }

  // MARK: Idle

  private func rung() {
    isRung = true
    wakeUp?.succeed(())
  }

  private func rest() async {
    guard !isRung else { return }
    let promise = Promise<Void>(on: loop)
    wakeUp = promise
    let timer = Timer(on: loop) { promise.succeed(()) }
    timer.schedule(after: Self.pollInterval)
    _ = try? await promise.value()
    timer.cancel()
    wakeUp = nil
  }
}
