import EventLoop
import ObjectStorage

/// Work that blocks, on a thread of its own.
enum BlockingWork {
  /// Runs the body and waits for its end, also when the task is cancelled: the body is told then.
  static func run<Output: Sendable>(
    on loop: EventLoop, _ body: @escaping @Sendable (BucketCancellation) throws(BucketError) -> Output
  ) async throws -> Output {
    let cancellation = BucketCancellation()
    let promise = UncancelledPromise<Output>()
    return try await withTaskCancellationHandler {
      try await withUnsafeThrowingContinuation { continuation in
        promise.continuation = continuation
        do {
          try Thread.detach {
            let result = Result { () throws(BucketError) in try body(cancellation) }
            loop.execute { promise.continuation?.resume(with: result.mapError { $0 as any Error }) }
          }
        } catch { continuation.resume(throwing: error) }
      }
    } onCancel: {
      cancellation.cancel()
    }
  }

  /// Confined to its loop.
  private final class UncancelledPromise<Output: Sendable>: @unchecked Sendable {
    var continuation: UnsafeContinuation<Output, any Error>?
  }
}
