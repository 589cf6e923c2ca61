import CEvent
import Synchronization

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// One thread's event loop over libevent, and the executor of everything that belongs to that thread.
///
/// Each turn reads all that is ready, runs the jobs that became runnable, and then lets every object that asked with
/// `atTurnEnd(_:)` do its output once: one write per connection and one sync per pipeline, however many calls there were.
///
///     ┌─► wait for events ─► callbacks ─► jobs ─► turn ends (writes) ─┐
///     └──────────────────────────────────────────────────────────────┘
///
/// A task started with the loop as its executor preference never leaves the loop's thread, so objects that are confined to a
/// loop need no locks.
package final class EventLoop: TaskExecutor, @unchecked Sendable {
  /// Something that does its output once a turn, after the turn's jobs.
  package protocol TurnEnd: AnyObject {
    func turnEnded()
  }

  /// Work that other threads hand over.
  private struct Foreign: ~Copyable {
    var jobs: [UnownedJob] = []
    var work: [@Sendable () -> Void] = []
    var isAwake = false
  }

  /// How many rounds of jobs one turn runs before it looks at the sockets again.
  private static let roundsPerTurn = 16

  package let name: String
  let base: OpaquePointer
  private let foreign = Mutex(Foreign())
  private let thread = Atomic<UInt>(0)
  private let isStopping = Atomic<Bool>(false)
  private let wakeWriter: Descriptor
  private let wakeReader: Descriptor
  private var wakeEvent: OpaquePointer?

  // Confined to the loop's thread.
  private var ready: [UnownedJob] = []
  private var running: [UnownedJob] = []
  private var deferred: [@Sendable () -> Void] = []
  private var ending: [any TurnEnd] = []
  private var flushing: [any TurnEnd] = []
  private var turnStart: UInt64 = 0

  /// - Parameter name: What log lines and assertions call the loop.
  /// - Throws: `SocketError` when the system has no descriptors or memory left.
  package init(name: String) throws(SocketError) {
    self.name = name
    guard let config = event_config_new() else { throw SocketError(code: ENOMEM, operation: "event_config_new") }
    defer { event_config_free(config) }
    // Other threads reach the loop through its wake-up socket only, so libevent needs no locks.
    event_config_set_flag(config, Int32(EVENT_BASE_FLAG_NOLOCK.rawValue))
    guard let base = event_base_new_with_config(config) else {
      throw SocketError(code: ENOMEM, operation: "event_base_new")
    }
    let pair: (Descriptor, Descriptor)
    do { pair = try Descriptor.pair() } catch {
      event_base_free(base)
      throw error
    }
    self.base = base
    wakeReader = pair.0
    wakeWriter = pair.1
    let me = Unmanaged.passUnretained(self).toOpaque()
    wakeEvent = event_new(
      base, wakeReader.raw, Int16(EV_READ | EV_PERSIST),
      { _, _, context in
        context.map { Unmanaged<EventLoop>.fromOpaque($0).takeUnretainedValue().drainWakeUps() }
      }, me)
    event_add(wakeEvent, nil)
  }

  deinit {
    event_free(wakeEvent)
    event_base_free(base)
  }

  // MARK: Running

  /// Whether the caller is on the loop's thread.
  package var isCurrent: Bool { thread.load(ordering: .relaxed) == Self.currentThread }

  /// Runs the loop on the calling thread until `stop()`.
  package func run() {
    thread.store(Self.currentThread, ordering: .relaxed)
    while !isStopping.load(ordering: .relaxed) {
      let idle = ready.isEmpty && deferred.isEmpty && ending.isEmpty
      event_base_loop(base, idle ? EVLOOP_ONCE : EVLOOP_ONCE | EVLOOP_NONBLOCK)
      finishTurn()
      turnStart = 0
    }
    finishTurn()
    // The system may give this thread's id to a later one, which must not pass for the loop's.
    thread.store(0, ordering: .relaxed)
  }

  /// Runs the loop on a thread of its own.
  /// - Returns: The thread; join it after `stop()`.
  package func start() throws(SocketError) -> LoopThread {
    try LoopThread(running: self)
  }

  /// Ends `run()` after the turn that is going on. Callable from any thread.
  package func stop() {
    isStopping.store(true, ordering: .relaxed)
    wake()
  }

  private func finishTurn() {
    for _ in 0..<Self.roundsPerTurn {
      takeForeign()
      runDeferred()
      runReady()
      endTurn()
      if ready.isEmpty && deferred.isEmpty && ending.isEmpty { return }
    }
  }

  private func runReady() {
    guard !ready.isEmpty else { return }
    swap(&ready, &running)
    for job in running { job.runSynchronously(on: asUnownedTaskExecutor()) }
    running.removeAll(keepingCapacity: true)
  }

  private func runDeferred() {
    guard !deferred.isEmpty else { return }
    let work = deferred
    deferred.removeAll(keepingCapacity: true)
    for item in work { item() }
  }

  private func endTurn() {
    guard !ending.isEmpty else { return }
    swap(&ending, &flushing)
    for item in flushing { item.turnEnded() }
    flushing.removeAll(keepingCapacity: true)
  }

  /// When this turn was first asked for its time (`MonotonicTime`): one look at the clock for all that arrives in a turn. What
  /// is measured from it on includes the wait for what the turn does before.
  package var turnTime: UInt64 {
    if turnStart == 0 { turnStart = MonotonicTime.now }
    return turnStart
  }

  // MARK: Handing over work

  package func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    if isCurrent {
      ready.append(job)
    } else {
      let wasAwake = foreign.withLock { foreign in
        foreign.jobs.append(job)
        return exchange(&foreign.isAwake, with: true)
      }
      if !wasAwake { wake() }
    }
  }

  /// Runs `work` on the loop: later in this turn when called on the loop, else in its next turn.
  package func execute(_ work: @escaping @Sendable () -> Void) {
    if isCurrent {
      deferred.append(work)
    } else {
      let wasAwake = foreign.withLock { foreign in
        foreign.work.append(work)
        return exchange(&foreign.isAwake, with: true)
      }
      if !wasAwake { wake() }
    }
  }

  /// Runs `work` at once when called on the loop, else in the loop's next turn.
  package func executeNow(_ work: @escaping @Sendable () -> Void) {
    if isCurrent { work() } else { execute(work) }
  }

  /// Calls `item.turnEnded()` once after this turn's jobs. The caller sees to it that it asks once a turn.
  package func atTurnEnd(_ item: any TurnEnd) {
    ending.append(item)
  }

  /// Starts a task on the loop; on the loop's own thread it runs at once up to its first suspension.
  @discardableResult
  package func spawn(_ operation: @escaping @Sendable () async -> Void) -> Task<Void, Never> {
    if isCurrent { return Task.immediate(executorPreference: self) { await operation() } }
    return Task(executorPreference: self) { await operation() }
  }

  /// Traps in debug builds when the caller is not on the loop.
  package func assertCurrent() {
    assert(isCurrent, "called off the loop \(name)")
  }

  package func checkIsolated() {
    precondition(isCurrent, "not on the loop \(name)")
  }

  // MARK: Waking up

  private func wake() {
    var byte: UInt8 = 1
    _ = write(wakeWriter.raw, &byte, 1)
  }

  private func drainWakeUps() {
    var sink: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
    while read(wakeReader.raw, &sink, MemoryLayout.size(ofValue: sink)) > 0 {}
  }

  private func takeForeign() {
    foreign.withLock { foreign in
      guard foreign.isAwake else { return }
      foreign.isAwake = false
      ready.append(contentsOf: foreign.jobs)
      deferred.append(contentsOf: foreign.work)
      foreign.jobs.removeAll(keepingCapacity: true)
      foreign.work.removeAll(keepingCapacity: true)
    }
  }

  private static var currentThread: UInt {
    #if canImport(Glibc)
      UInt(pthread_self())
    #else
      UInt(bitPattern: pthread_self())
    #endif
  }
}

private func exchange<Value>(_ value: inout Value, with new: Value) -> Value {
  let old = value
  value = new
  return old
}

extension EventLoop {
  /// Runs `body` on the loop and waits for what it returns. Callable from any task.
  package func perform<Result: Sendable>(_ body: @escaping @Sendable () throws -> Result) async throws -> Result {
    try await withCheckedThrowingContinuation { continuation in
      executeNow { continuation.resume(with: .init(catching: body)) }
    }
  }
}
