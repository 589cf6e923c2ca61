import Logging
import Synchronization

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A PostgreSQL of segmentd's own, made from the system's programs below the data directory, reachable through a unix socket
/// only, and started again when it dies.
///
///     idle ──start()──► starting ──ready──► up ──died──► (restarts with backoff, up again)
///                          │                 └──stop()──► stopping ──► down
///                          └──failed or stop()──────────────────────► down
///
/// A thread of its own does all that blocks; `start()` and `stop()` only suspend.
package final class PrivatePostgres: Sendable {
  private enum Phase {
    case idle
    case starting(CheckedContinuation<String, any Error>)
    case up
    case down
  }

  private struct State {
    var phase = Phase.idle
    var stopping: [CheckedContinuation<Void, Never>] = []
  }

  /// How long a fast shutdown may take before the backends are cut off, and those before the process is killed.
  private static let shutdownSteps: [(patience: Duration, signal: Int32)] = [
    (.seconds(5), SIGQUIT), (.seconds(3), SIGKILL),
  ]

  private let supervisor: PostgresSupervisor
  private let state = Mutex(State())

  /// - Parameters:
  ///   - dataDirectory: Made when it is not there.
  ///   - connections: What segmentd opens at most, all event loops together.
  ///   - progress: Told, from another thread, about what takes longer than a moment: one line each, for a person.
  package init(
    dataDirectory: String, connections: Int, logger: Logger, progress: @escaping @Sendable (String) -> Void
  ) {
    supervisor = PostgresSupervisor(
      dataDirectory: dataDirectory, settings: ClusterSettings(connections: connections), logger: logger,
      progress: progress)
  }

  /// Starts it, the first time with a new cluster in it. Called once.
  /// - Returns: The connection string of a database, valid until `stop()`, also across restarts.
  /// - Throws: `PrivatePostgresError`; `stopped` also when the task is cancelled. There is nothing to stop then.
  package func start() async throws -> String {
    try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { continuation in
        state.withLock { $0.phase = .starting(continuation) }
        do throws(PrivatePostgresError) {
          try Thread.detach { [self] in
            do throws(PrivatePostgresError) {
              try supervisor.run { self.started(.success($0)) }
            } catch {
              started(.failure(error))
            }
            ended()
          }
        } catch {
          started(.failure(error))
          ended()
        }
      }
    } onCancel: {
      supervisor.children.close()
    }
  }

  /// Shuts it down: sessions end at once, what was committed is on disk. Returns when it is gone, within 5 seconds unless the
  /// disk is stuck. Does nothing when it is not running.
  package func stop() async {
    supervisor.children.close()
    let escalation = Task { [supervisor] in
      for (patience, signal) in Self.shutdownSteps {
        try await Task.sleep(for: patience)
        supervisor.children.signal(signal)
      }
    }
    await withCheckedContinuation { continuation in
      let isOver = state.withLock { state in
        switch state.phase {
        case .idle, .down: return true
        case .starting, .up:
          state.stopping.append(continuation)
          return false
        }
      }
      if isOver { continuation.resume() }
    }
    escalation.cancel()
  }

  /// How to reach the PostgreSQL that another segmentd is running in the directory, for commands that work beside a server; nil
  /// when none runs there, or not for us. It goes when that segmentd stops.
  package static func address(ofRunningIn dataDirectory: String) -> String? {
    let cluster = "\(dataDirectory)/postgres/data"
    guard let file = PostmasterFile(cluster: cluster), file.isReady, let socket = file.socketDirectory,
      access("\(socket)/\(ClusterSettings.socketName)", F_OK) == 0, kill(file.pid, 0) == 0 || errno == EPERM
    else { return nil }
    return ClusterSettings.connectionString(socket: socket)
  }

  private func started(_ result: Result<String, PrivatePostgresError>) {
    let waiting: CheckedContinuation<String, any Error>? = state.withLock { state in
      guard case .starting(let continuation) = state.phase else { return nil }
      state.phase = .up
      return continuation
    }
    waiting?.resume(with: result.mapError { $0 as any Error })
  }

  private func ended() {
    let waiting = state.withLock { state in
      state.phase = .down
      defer { state.stopping = [] }
      return state.stopping
    }
    waiting.forEach { $0.resume() }
  }
}
