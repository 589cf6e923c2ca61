import CSSL

/// What went wrong with TLS, in a line for a person.
package enum TLSError: Error, Hashable, CustomStringConvertible {
  /// A certificate, key or CA file that cannot be used.
  case file(path: String, reason: String)
  /// The peer's certificate is not one that we accept.
  case certificate(reason: String)
  /// The peers did not agree on HTTP/2 by ALPN.
  case noHTTP2
  /// The handshake took too long.
  case handshakeTimedOut
  /// The peer went away before the end of the handshake.
  case closed
  /// Anything else that OpenSSL reports, an alert of the peer among them.
  case failed(reason: String)

  package var description: String {
    switch self {
    case .file(let path, let reason): "\(path): \(reason)"
    case .certificate(let reason): "TLS: the peer's certificate is not accepted: \(reason)"
    case .noHTTP2: "TLS: the peer does not speak HTTP/2 (no h2 by ALPN)"
    case .handshakeTimedOut: "TLS: the handshake took too long"
    case .closed: "TLS: the peer closed the connection in the handshake"
    case .failed(let reason): "TLS: \(reason)"
    }
  }
}

extension TLSError {
  /// The oldest error of OpenSSL's queue on this thread, which is emptied.
  static func takeReason() -> String {
    let code = ERR_get_error()
    defer { ERR_clear_error() }
    guard code != 0 else { return "no reason given" }
    // Of the system's errors OpenSSL has no text.
    if cssl_error_library(code) == ERR_LIB_SYS { return String(cString: strerror(cssl_error_reason(code))) }
    guard let text = ERR_reason_error_string(code) else { return "OpenSSL's error \(code)" }
    return String(cString: text)
  }

  /// The failure of the call that just returned 0 or NULL.
  static func last() -> TLSError { .failed(reason: takeReason()) }
}

/// Turns OpenSSL's 1 for success into an error when it is anything else.
func check(_ code: Int32) throws(TLSError) {
  guard code == 1 else { throw .last() }
}
