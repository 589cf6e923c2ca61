#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A thread that runs one event loop.
package final class LoopThread: @unchecked Sendable {
  private let thread: pthread_t

  /// - Throws: `SocketError` when the system refuses another thread.
  init(running loop: EventLoop) throws(SocketError) {
    let context = Unmanaged.passRetained(loop).toOpaque()
    #if canImport(Glibc)
      var thread = pthread_t()
      let code = pthread_create(&thread, nil, runLoop, context)
    #else
      var thread: pthread_t?
      let code = pthread_create(&thread, nil, runLoop, context)
    #endif
    guard code == 0 else {
      Unmanaged<EventLoop>.fromOpaque(context).release()
      throw SocketError(code: code, operation: "pthread_create")
    }
    #if canImport(Glibc)
      self.thread = thread
    #else
      guard let thread else { throw SocketError(code: EAGAIN, operation: "pthread_create") }
      self.thread = thread
    #endif
  }

  /// Waits until the loop has stopped. Call once, from another thread.
  package func join() {
    pthread_join(thread, nil)
  }
}

private func runLoop(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
  guard let context else { return nil }
  Unmanaged<EventLoop>.fromOpaque(context).takeRetainedValue().run()
  return nil
}
