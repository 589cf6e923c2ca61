import EventLoop
import Logging
import Postgres

/// What is new in the audit log, for all followers of one loop: they share its looks at the log's end and the newest records.
/// Confined to its loop. Without a follower it does nothing and holds no connection.
///
///     idle ──first join──► looking ──► waiting: told of a commit, or the poll interval is over ──► looking
///                             ▲                      │
///                             └── soon ◄── something runs that was there when we were told
///     any ──last leave──► idle          any ──stop──► stopped
///
/// The look and the reading have connections of their own, so that a queue for the others does not hold followers back.
package final class AuditFeed: @unchecked Sendable {
  /// Everything between two positions.
  package struct Slice: Sendable {
    package let start: AuditPosition
    package let end: AuditPosition
    package let records: [AuditRecord]
  }

  /// Why a wait is over.
  package enum Wake: Sendable {
    /// There is something behind the follower's position.
    case moved
    /// The instant has come.
    case timeIsUp
    /// The server stops.
    case stopped
  }

  private struct Waiter {
    let position: AuditPosition
    let promise: Promise<Wake>
  }

  /// For the connections of its pool.
  package static let serverSettings = AuditTail.serverSettings

  /// Records that are kept for followers that are a little behind; one that is further behind reads for itself.
  private static let mostRecords = 8192
  private static let mostSlices = 512
  /// Between two looks.
  private static let shortestPause = Duration.milliseconds(1)
  private static let longestPause = Duration.milliseconds(50)
  private static let patience = Duration.seconds(5)

  private let loop: EventLoop
  private let bell: AuditBell
  private let tail: AuditTail
  private let store: AuditStore
  private let pollInterval: Duration
  private let logger: Logger
  private var listener: PostgresListener?
  private let makeListener: (AuditFeed) -> PostgresListener
  /// How many follow the log just now.
  package private(set) var followers = 0
  private var task: Task<Void, Never>?
  private var waiters: [ObjectIdentifier: Waiter] = [:]
  private var slices: [Slice] = []
  private var keptRecords = 0
  private var sleeper: Promise<Void>?
  private var isTold = false
  private var mustRefresh = true

  /// How old the oldest record of the last look was by the database's clock: seconds, 0 when there was none.
  package private(set) var lag = 0.0

  /// The newest look; nil before the first.
  package private(set) var tip: AuditTip?
  package private(set) var isStopped = false

  /// - Parameters:
  ///   - pool: For the looks, not the one that calls are answered with. Its connections have `serverSettings`.
  ///   - configuration: Of the connection that listens.
  ///   - bell: The process's.
  ///   - pollInterval: How often to look without being told of anything.
  package init(
    on loop: EventLoop, pool: PostgresPool, configuration: PostgresConfiguration, bell: AuditBell,
    pollInterval: Duration = .seconds(1), settings: SegmentationSettings = SegmentationSettings(), logger: Logger
  ) {
    self.loop = loop
    self.bell = bell
    self.pollInterval = pollInterval
    self.logger = logger
    let installation = Installation(pool: pool, settings: settings)
    tail = AuditTail(pool: pool, installation: installation)
    store = AuditStore(pool: pool, installation: installation, settings: settings)
    makeListener = { feed in
      PostgresListener(on: loop, configuration: configuration, channels: [AuditNotifier.channel], logger: logger) {
        [unowned feed] in feed.heard($0)
      }
    }
  }

  // MARK: Followers

  /// One more follower; each joins once and leaves once.
  package func join() {
    followers += 1
    guard followers == 1, !isStopped else { return }
    let listener = makeListener(self)
    self.listener = listener
    listener.start()
    bell.add(self, on: loop) { [weak self] in self?.tell() }
    mustRefresh = true
    isTold = true
    task = loop.spawn { [self] in await run() }
  }

  package func leave() {
    followers -= 1
    if followers == 0 { rest() }
  }

  /// Ends all waiting; followers see `isStopped`.
  package func stop() {
    isStopped = true
    rest()
    wakeAll(.stopped)
  }

  private func rest() {
    bell.remove(self)
    listener?.stop()
    listener = nil
    task?.cancel()
    task = nil
    tip = nil
    forget()
  }

  /// Waits for something behind `position`.
  /// - Throws: `SegmentationError`, when the database cannot be read for a while, and `cancelled`.
  package func wait(
    beyond position: AuditPosition, until instant: ContinuousClock.Instant
  ) async throws(SegmentationError) -> Wake {
    if isStopped { return .stopped }
    if let tip, position < tip.end { return .moved }
    let promise = Promise<Wake>(on: loop)
    let id = ObjectIdentifier(promise)
    waiters[id] = Waiter(position: position, promise: promise)
    let timer = Timer(on: loop) { promise.succeed(.timeIsUp) }
    timer.schedule(after: instant - .now)
    defer {
      waiters[id] = nil
      timer.cancel()
    }
    return try await translating { try await promise.value() }
  }

  /// The newest records without a gap behind `position`; nil when they are not kept any more.
  package func recent(after position: AuditPosition) -> ArraySlice<Slice>? {
    guard let first = slices.firstIndex(where: { $0.end > position }), slices[first].start <= position else {
      return nil
    }
    return slices[first...]
  }

  // MARK: Looking

  private func heard(_ event: PostgresListener.Event) {
    switch event {
    case .notified(let notification) where notification.payload == bell.name: return
    case .notified: break
    case .listening: mustRefresh = true
    case .interrupted: return
    }
    tell()
  }

  /// There is something new, or may be.
  private func tell() {
    isTold = true
    sleeper?.succeed(())
  }

  private func run() async {
    /// The look has to come here until all that was told of can be read.
    var awaited: Int64 = 0
    var pause = Self.shortestPause
    var failingSince: ContinuousClock.Instant?
    while !Task.isCancelled {
      let wasTold = isTold
      isTold = false
      let oldest = tip?.oldest
      do {
        let now = try await look()
        guard let now, !Task.isCancelled else { return }
        failingSince = nil
        if wasTold { awaited = now.next }
        pause = now.oldest == oldest ? min(pause * 2, Self.longestPause) : Self.shortestPause
        await rest(for: now.oldest < awaited ? pause : pollInterval)
      } catch {
        guard !Task.isCancelled else { return }
        mustRefresh = true
        let since = failingSince ?? .now
        failingSince = since
        logger.warning("cannot read the end of the audit log", metadata: ["error": "\(error)"])
        if ContinuousClock.now - since >= Self.patience { fail(error) }
        isTold = false
        await rest(for: pollInterval)
        isTold = true
      }
    }
  }

  /// - Returns: What it found; nil when nobody wants to know any more.
  private func look() async throws(SegmentationError) -> AuditTip? {
    let refreshes = mustRefresh
    mustRefresh = false
    let before = tip
    let look = try await tail.look(behind: before, refreshing: refreshes, deadline: .now + Self.patience)
    guard !Task.isCancelled else { return nil }
    let now = look.tip
    lag = 0
    if let before, before.identity == now.identity {
      if before.end < now.end {
        let records: [AuditRecord]
        if let found = look.records {
          records = found
        } else {
          records = try await store.read(
            after: before.end, to: now.bound, limit: Self.mostRecords, deadline: .now + Self.patience)
          guard !Task.isCancelled else { return nil }
        }
        let oldest = records.lazy.map(\.recordedAt.microseconds).min()
        lag = oldest.map { Double(max(0, now.time.microseconds - $0)) / 1e6 } ?? 0
        keep(Slice(start: before.end, end: now.end, records: records))
      }
    } else {
      forget()
    }
    tip = now
    for waiter in waiters.values where waiter.position < now.end { waiter.promise.succeed(.moved) }
    return now
  }

  private func keep(_ slice: Slice) {
    // Perhaps there were more: each follower reads for itself.
    if slice.records.count >= Self.mostRecords { return forget() }
    // Most looks of a busy database find nothing, only that less is running.
    if slice.records.isEmpty, let last = slices.popLast() {
      return slices.append(Slice(start: last.start, end: slice.end, records: last.records))
    }
    slices.append(slice)
    keptRecords += slice.records.count
    while keptRecords > Self.mostRecords || slices.count > Self.mostSlices {
      keptRecords -= slices.removeFirst().records.count
    }
  }

  private func forget() {
    slices = []
    keptRecords = 0
  }

  /// Ends early when there is something new, at once when there is already.
  private func rest(for time: Duration) async {
    guard !isTold else { return }
    let sleeper = Promise<Void>(on: loop)
    self.sleeper = sleeper
    let timer = Timer(on: loop) { sleeper.succeed(()) }
    timer.schedule(after: time)
    _ = try? await sleeper.value()
    timer.cancel()
  }

  private func wakeAll(_ wake: Wake) {
    for waiter in waiters.values { waiter.promise.succeed(wake) }
  }

  private func fail(_ error: SegmentationError) {
    for waiter in waiters.values { waiter.promise.fail(error) }
  }
}
