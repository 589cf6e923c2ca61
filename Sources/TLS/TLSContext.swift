import CSSL

/// What all sessions of one side have in common: certificate, key, trusted authorities, and what is agreed to. Immutable once
/// made, and shared by the loops (`SSL_CTX` counts its references itself).
package final class TLSContext: @unchecked Sendable {
  /// Of TLS 1.2 only what RFC 9113, appendix A does not forbid: forward secrecy and authenticated encryption. TLS 1.3 has no
  /// others.
  private static let ciphers = "ECDHE+AESGCM:ECDHE+CHACHA20"

  let pointer: OpaquePointer
  let isServer: Bool

  init(_ method: OpaquePointer, isServer: Bool) throws(TLSError) {
    ERR_clear_error()
    guard let pointer = SSL_CTX_new(method) else { throw .last() }
    self.pointer = pointer
    self.isServer = isServer
    try check(cssl_set_min_version(pointer, TLS1_2_VERSION))
    try check(SSL_CTX_set_cipher_list(pointer, Self.ciphers))
    cssl_set_options(pointer)
    cssl_set_session_cache_off(pointer)
    // An idle connection keeps no buffers.
    cssl_set_mode(pointer, Int(SSL_MODE_RELEASE_BUFFERS))
  }

  deinit {
    SSL_CTX_free(pointer)
  }
}
