import CSSL

/// Owns one `SSL`: one side of one TLS connection. Bytes in, bytes out; it does no I/O. Confined to its loop.
///
///     handshaking ──► established        each may fail, and then throws for ever
///
/// What is to be sent collects in `outgoing`; the owner sends it and empties it.
package final class TLSSession: @unchecked Sendable {
  private let ssl: OpaquePointer
  private let context: TLSContext
  private var isRefused = false
  /// Bytes of the peer behind the end of the handshake, until the first `open`.
  private var leftover: [UInt8] = []
  /// What `CipherBIO` reads; empty outside of the calls below, as it points into their caller's buffer.
  var incoming = UnsafeRawBufferPointer(start: nil, count: 0)
  /// What is to be sent to the peer.
  package var outgoing: [UInt8] = []

  /// - Parameter serverName: What the server's certificate must be for, a name or an IP address (client only).
  /// - Throws: `TLSError` when memory runs out or the name cannot be one.
  package init(_ context: TLSContext, serverName: String? = nil) throws(TLSError) {
    ERR_clear_error()
    guard let ssl = SSL_new(context.pointer) else { throw .last() }
    self.ssl = ssl
    self.context = context
    let bio = try CipherBIO.make(for: self)
    // The session owns one BIO for both ways.
    SSL_set_bio(ssl, bio, bio)
    SSL_set_ex_data(ssl, 0, Unmanaged.passUnretained(self).toOpaque())
    if context.isServer {
      SSL_set_accept_state(ssl)
    } else {
      SSL_set_connect_state(ssl)
      if let serverName { try expect(serverName) }
    }
  }

  deinit {
    SSL_free(ssl)
  }

  static func of(_ ssl: OpaquePointer?) -> TLSSession? {
    SSL_get_ex_data(ssl, 0).map { Unmanaged<TLSSession>.fromOpaque($0).takeUnretainedValue() }
  }

  /// An address is looked for among the certificate's addresses, and is not sent as the server's name (RFC 6066, section 3).
  private func expect(_ name: String) throws(TLSError) {
    if X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1 { return }
    ERR_clear_error()
    SSL_set_hostflags(ssl, UInt32(X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS))
    try check(SSL_set1_host(ssl, name))
    try check(cssl_set_server_name(ssl, name))
  }

  // MARK: The handshake

  /// Goes on with the handshake; the client's first call has no bytes.
  /// - Returns: Whether it is complete.
  /// - Throws: `TLSError`; an alert for the peer may be in `outgoing`.
  package func handshake(_ bytes: UnsafeRawBufferPointer) throws(TLSError) -> Bool {
    ERR_clear_error()
    incoming = bytes
    defer { incoming = .init(start: nil, count: 0) }
    let code = SSL_do_handshake(ssl)
    guard code == 1 else {
      guard SSL_get_error(ssl, code) == SSL_ERROR_WANT_READ else { throw handshakeFailure() }
      return false
    }
    guard hasHTTP2 else { throw .noHTTP2 }
    leftover = Array(incoming)
    return true
  }

  func refusedProtocol() {
    isRefused = true
  }

  private var hasHTTP2: Bool {
    var name: UnsafePointer<UInt8>?
    var length: UInt32 = 0
    SSL_get0_alpn_selected(ssl, &name, &length)
    return UnsafeBufferPointer(start: name, count: Int(length)).elementsEqual("h2".utf8)
  }

  private func handshakeFailure() -> TLSError {
    let code = ERR_peek_error()
    guard cssl_error_library(code) == ERR_LIB_SSL, !isRefused else {
      ERR_clear_error()
      return isRefused ? .noHTTP2 : .last()
    }
    switch cssl_error_reason(code) {
    case SSL_R_CERTIFICATE_VERIFY_FAILED:
      ERR_clear_error()
      return .certificate(reason: String(cString: X509_verify_cert_error_string(SSL_get_verify_result(ssl))))
    case SSL_R_NO_APPLICATION_PROTOCOL:
      ERR_clear_error()
      return .noHTTP2
    case SSL_R_WRONG_VERSION_NUMBER, SSL_R_HTTP_REQUEST:
      ERR_clear_error()
      return .failed(reason: "the peer does not speak TLS")
    default:
      return .last()
    }
  }

  // MARK: After it

  /// Whether the peer's last bytes of the handshake had more behind them.
  package var hasLeftover: Bool { !leftover.isEmpty }

  /// Decrypts what came from the peer, and lends it to `body`, as much at once as fits into `buffer`.
  /// - Throws: `TLSError`, what `body` throws
  package func open(
    _ bytes: UnsafeRawBufferPointer, in buffer: UnsafeMutableRawBufferPointer,
    _ body: (UnsafeRawBufferPointer) throws -> Void
  ) throws {
    guard leftover.isEmpty else {
      let all = leftover + bytes
      leftover = []
      return try all.withUnsafeBytes { try open($0, in: buffer, body) }
    }
    incoming = bytes
    defer { incoming = .init(start: nil, count: 0) }
    var isMore = true
    while isMore {
      var filled = 0
      while filled < buffer.count, isMore { isMore = try decrypt(into: buffer, &filled) }
      if filled > 0 { try body(.init(rebasing: buffer[..<filled])) }
    }
  }

  /// - Returns: Whether there may be more.
  private func decrypt(into buffer: UnsafeMutableRawBufferPointer, _ filled: inout Int) throws(TLSError) -> Bool {
    ERR_clear_error()
    let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[filled...])
    var count = 0
    let code = SSL_read_ex(ssl, rest.baseAddress, rest.count, &count)
    filled += count
    guard code != 1 else { return true }
    switch SSL_get_error(ssl, code) {
    // After the peer's close_notify nothing more comes; that its socket closes says so to the loop.
    case SSL_ERROR_WANT_READ, SSL_ERROR_ZERO_RETURN: return false
    default: throw handshakeFailure()
    }
  }

  /// Encrypts bytes into `outgoing`.
  /// - Throws: `TLSError`
  package func seal(_ bytes: UnsafeRawBufferPointer) throws(TLSError) {
    guard bytes.count > 0 else { return }
    ERR_clear_error()
    var written = 0
    // The BIO takes all, so there is no partial write.
    try check(SSL_write_ex(ssl, bytes.baseAddress, bytes.count, &written))
  }

  /// Says goodbye: puts close_notify into `outgoing`.
  package func close() {
    ERR_clear_error()
    SSL_shutdown(ssl)
    ERR_clear_error()
  }
}
