#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A thread for work that blocks.
enum Thread {
  private final class Work: Sendable {
    let body: @Sendable () -> Void
    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
  }

  /// - Throws: `PrivatePostgresError.file` when the system refuses another thread.
  static func detach(_ body: @escaping @Sendable () -> Void) throws(PrivatePostgresError) {
    let context = Unmanaged.passRetained(Work(body)).toOpaque()
    #if canImport(Glibc)
      var thread = pthread_t()
    #else
      var thread: pthread_t?
    #endif
    let code = pthread_create(&thread, nil, run, context)
    guard code == 0 else {
      Unmanaged<Work>.fromOpaque(context).release()
      throw .file(path: "a thread", reason: System.reason(code))
    }
    #if canImport(Glibc)
      pthread_detach(thread)
    #else
      thread.map { _ = pthread_detach($0) }
    #endif
  }

  private static let run: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = { context in
    context.map { Unmanaged<Work>.fromOpaque($0).takeRetainedValue().body() }
    return nil
  }
}
