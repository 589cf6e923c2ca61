import CPostgres

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Owns a `PGcancel`: asks the server to end what one connection is doing.
///
/// The request goes over a connection of its own and blocks (in libpq 15), so it runs on a thread of its own. There is at
/// most one at a time for a connection, so there are never more of these threads than connections.
final class Canceller: @unchecked Sendable {
  private let raw: OpaquePointer

  init(owning raw: OpaquePointer) {
    self.raw = raw
  }

  deinit {
    PQfreeCancel(raw)
  }

  /// - Parameter done: Called on another thread when the server has passed the request on (true) or could not be asked.
  func cancel(_ done: @escaping @Sendable (Bool) -> Void) {
    let request = Unmanaged.passRetained(Request(self, done)).toOpaque()
    #if canImport(Glibc)
      var thread = pthread_t()
      let code = pthread_create(&thread, nil, runCancelRequest, request)
      if code == 0 { pthread_detach(thread) }
    #else
      var thread: pthread_t?
      let code = pthread_create(&thread, nil, runCancelRequest, request)
      if code == 0, let thread { pthread_detach(thread) }
    #endif
    guard code == 0 else {
      Unmanaged<Request>.fromOpaque(request).release()
      done(false)
      return
    }
  }

  fileprivate func send() -> Bool {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { PQcancel(raw, $0.baseAddress, 256) == 1 }
  }
}

private final class Request {
  private let canceller: Canceller
  private let done: @Sendable (Bool) -> Void

  init(_ canceller: Canceller, _ done: @escaping @Sendable (Bool) -> Void) {
    self.canceller = canceller
    self.done = done
  }

  func run() {
    done(canceller.send())
  }
}

private func runCancelRequest(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
  guard let context else { return nil }
  Unmanaged<Request>.fromOpaque(context).takeRetainedValue().run()
  return nil
}
