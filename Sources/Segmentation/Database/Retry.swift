import EventLoop
import Postgres

/// Tries a change again that another one got in the way of: a conflict, a deadlock, a month without a partition.
struct Retry: Sendable {
  let pool: PostgresPool
  let settings: SegmentationSettings
  let deadline: ContinuousClock.Instant?

  /// Why a change may succeed when it is tried again.
  enum Reason {
    /// Another change came first.
    case conflict
    /// The audit log has no partition for this month yet.
    case noPartition

    init?(_ error: any Error) {
      guard let error = error as? PostgresError, case .server = error.kind else { return nil }
      switch error.sqlState {
      case .serializationFailure?, .deadlockDetected?: self = .conflict
      case .uniqueViolation? where error.constraint == "requests_pkey": self = .conflict
      case .checkViolation? where error.constraint == nil: self = .noPartition
      default: return nil
      }
    }
  }

  /// - Throws: What `body` throws; `SegmentationError.aborted` when it was tried often enough.
  func run<Output>(_ body: () async throws -> Output) async throws(SegmentationError) -> Output {
    var attempt = 1
    while true {
      do { return try await body() } catch {
        try await prepareNext(after: error, attempt: attempt)
        attempt += 1
      }
    }
  }

  /// Gets ready for the next attempt.
  /// - Throws: When there is to be none.
  func prepareNext(after error: any Error, attempt: Int) async throws(SegmentationError) {
    guard let reason = Reason(error) else { throw SegmentationError(error) }
    guard attempt < settings.maximumAttempts else { throw .aborted }
    pool.statistics.retries &+= 1
    switch reason {
    case .noPartition: try await translating { try await ensurePartitions() }
    case .conflict: try await backOff(attempt)
    }
  }

  private func ensurePartitions() async throws {
    _ = try await pool.query(
      Installation.ensurePartitions, [.int32(settings.auditPartitionsAhead)], deadline: deadline)
  }

  /// 0 to 1 ms after the first failure, up to 0 to 128 ms later on: at random, so that rivals part.
  private func backOff(_ attempt: Int) async throws(SegmentationError) {
    let most = Int64(1000) << min(attempt - 1, 7)
    let pause = Duration.microseconds(Int64.random(in: 0...most))
    if let deadline, ContinuousClock.now + pause >= deadline { throw .aborted }
    do { try await Task.sleep(for: pause) } catch { throw .cancelled }
  }
}
