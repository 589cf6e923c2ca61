/// A value that a callback on the loop delivers once and one task waits for. Confined to its loop.
///
///     empty ──value()──► waiting ──succeed/fail──► settled
///       └──────────succeed/fail──────────────────────┘
///
/// Whatever comes after the first result is ignored, so a result and a cancellation may race.
package final class Promise<Value: Sendable>: @unchecked Sendable {
  private enum State {
    case empty
    case waiting(UnsafeContinuation<Value, any Error>)
    case settled(Result<Value, any Error>)
  }

  private let loop: EventLoop
  private var state = State.empty

  package init(on loop: EventLoop) {
    self.loop = loop
  }

  package var isSettled: Bool {
    if case .settled = state { true } else { false }
  }

  package func succeed(_ value: Value) {
    settle(.success(value))
  }

  package func fail(_ error: any Error) {
    settle(.failure(error))
  }

  package func settle(_ result: Result<Value, any Error>) {
    switch state {
    case .empty:
      state = .settled(result)
    case .waiting(let continuation):
      state = .settled(result)
      continuation.resume(with: result)
    case .settled:
      break
    }
  }

  /// Waits for the result. Called once.
  /// - Throws: The error of `fail(_:)`, or `CancellationError` when the task is cancelled first.
  package func value() async throws -> Value {
    if case .settled(let result) = state { return try result.get() }
    return try await withTaskCancellationHandler {
      try await withUnsafeThrowingContinuation { continuation in
        switch state {
        case .empty: state = .waiting(continuation)
        case .settled(let result): continuation.resume(with: result)
        case .waiting: preconditionFailure("two tasks wait for one promise")
        }
      }
    } onCancel: {
      loop.executeNow { self.fail(CancellationError()) }
    }
  }
}
