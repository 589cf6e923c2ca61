import Synchronization

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// The one program that the private PostgreSQL is running at the moment, and whether there may be another.
///
///     open ──start()──► running ──ended──► open
///       └──────close()─────┴──► closed: the running one is told to stop, and none is started any more
///
/// Any thread may signal: a child is reaped under the same lock, so a signal never reaches a stranger with its pid.
final class PostgresChildren: Sendable {
  private struct State {
    var running: (child: ChildProcess, stopSignal: Int32)?
    var isClosed = false
  }

  private let state = Mutex(State())

  var isClosed: Bool { state.withLock(\.isClosed) }

  /// - Throws: `stopped` after `close()`.
  @discardableResult
  func start(
    _ arguments: [String], directory: String, stopSignal: Int32, streams: ChildProcess.Streams
  ) throws(PrivatePostgresError) -> ChildProcess {
    try state.withLock { state throws(PrivatePostgresError) in
      guard !state.isClosed else { throw .stopped }
      let child = try ChildProcess.start(arguments, directory: directory, streams: streams)
      state.running = (child, stopSignal)
      return child
    }
  }

  /// How the running child ended; nil while it runs.
  func reap() -> ChildProcess.Ending? {
    state.withLock { state in
      guard let ending = state.running?.child.reap() else { return nil }
      state.running = nil
      return ending
    }
  }

  /// Waits on this thread until the running child has ended; nil when there is none.
  func waitForEnd() -> ChildProcess.Ending? {
    let child = state.withLock { $0.running?.child }
    child?.waitForEnd()
    return reap()
  }

  /// No further child; the running one gets its own stop signal.
  func close() {
    state.withLock { state in
      state.isClosed = true
      if let running = state.running { kill(running.child.pid, running.stopSignal) }
    }
  }

  func signal(_ signal: Int32) {
    state.withLock { state in
      if let running = state.running { kill(running.child.pid, signal) }
    }
  }
}
