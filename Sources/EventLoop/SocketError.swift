#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A system call that failed: its `errno` and its name.
package struct SocketError: Error, Hashable, CustomStringConvertible {
  /// The `errno`, or a `getaddrinfo` code when `operation` is that.
  package let code: Int32
  package let operation: String
  private let message: String

  package init(code: Int32, operation: String) {
    self.code = code
    self.operation = operation
    message = String(cString: strerror(code))
  }

  /// An error of the resolver, which has codes of its own.
  init(resolving host: String, code: Int32) {
    self.code = code
    operation = "getaddrinfo"
    message = "\(host): \(String(cString: gai_strerror(code)))"
  }

  /// The failure of the call that just returned -1.
  static func last(_ operation: String) -> SocketError {
    SocketError(code: errno, operation: operation)
  }

  static let timedOut = ETIMEDOUT

  package var isAddressInUse: Bool { code == EADDRINUSE && operation != "getaddrinfo" }

  package var description: String { "\(operation): \(message)" }
}
