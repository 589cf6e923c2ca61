import CSSL

/// The files that a server's identity is made of; all in PEM.
package struct TLSServerFiles: Hashable, Sendable {
  /// The server's certificate, followed by those between it and its authority.
  package var certificate: String
  package var key: String
  /// The authorities whose certificates callers must show; nil: callers need none.
  package var clientCA: String?

  package init(certificate: String, key: String, clientCA: String? = nil) {
    self.certificate = certificate
    self.key = key
    self.clientCA = clientCA
  }

  var paths: [String] { [certificate, key] + (clientCA.map { [$0] } ?? []) }
}

extension TLSContext {
  /// The side that answers.
  /// - Returns: The context and the server's own certificate.
  /// - Throws: `TLSError.file` for files that cannot be used, or that do not belong together.
  package static func server(_ files: TLSServerFiles) throws(TLSError) -> (TLSContext, Certificate) {
    let context = try TLSContext(TLS_server_method(), isServer: true)
    let own = try context.use(certificate: files.certificate, key: files.key)
    SSL_CTX_set_num_tickets(context.pointer, 0)
    if let path = files.clientCA { try context.requireClientCertificates(of: path) }
    SSL_CTX_set_client_hello_cb(context.pointer, { ssl, alert, _ in refuseWithoutALPN(ssl, alert) }, nil)
    SSL_CTX_set_alpn_select_cb(
      context.pointer, { _, chosen, length, offered, count, _ in selectHTTP2(chosen, length, offered, count) }, nil)
    return (context, own)
  }

  /// - Returns: The first certificate of the file.
  func use(certificate path: String, key keyPath: String) throws(TLSError) -> Certificate {
    let chain = try Certificate.all(inFile: path)
    let key = try PrivateKey(file: keyPath)
    guard SSL_CTX_use_certificate(pointer, chain[0].pointer) == 1 else {
      throw .file(path: path, reason: TLSError.takeReason())
    }
    for certificate in chain.dropFirst() where cssl_add_chain_certificate(pointer, certificate.pointer) != 1 {
      throw .file(path: path, reason: TLSError.takeReason())
    }
    guard SSL_CTX_use_PrivateKey(pointer, key.pointer) == 1, SSL_CTX_check_private_key(pointer) == 1 else {
      ERR_clear_error()
      throw .file(path: keyPath, reason: "it is not the key of the certificate in \(path)")
    }
    return chain[0]
  }

  private func requireClientCertificates(of path: String) throws(TLSError) {
    try trust(path)
    guard let names = SSL_load_client_CA_file(path) else { throw .file(path: path, reason: TLSError.takeReason()) }
    SSL_CTX_set_client_CA_list(pointer, names)
    SSL_CTX_set_verify(pointer, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nil)
  }

  /// Trusts the authorities in the file, and no others.
  func trust(_ path: String) throws(TLSError) {
    _ = try Certificate.all(inFile: path)
    guard SSL_CTX_load_verify_file(pointer, path) == 1 else { throw .file(path: path, reason: TLSError.takeReason()) }
  }
}

/// A peer that offers no protocol at all does not speak HTTP/2; OpenSSL would ask the selection below only about an offer.
private func refuseWithoutALPN(_ ssl: OpaquePointer?, _ alert: UnsafeMutablePointer<Int32>?) -> Int32 {
  var offer: UnsafePointer<UInt8>?
  var length = 0
  let type = UInt32(TLSEXT_TYPE_application_layer_protocol_negotiation)
  guard SSL_client_hello_get0_ext(ssl, type, &offer, &length) != 1 else { return SSL_CLIENT_HELLO_SUCCESS }
  TLSSession.of(ssl)?.refusedProtocol()
  alert?.pointee = SSL_AD_NO_APPLICATION_PROTOCOL
  return SSL_CLIENT_HELLO_ERROR
}

/// Chooses `h2` from the peer's offer: names, each behind a byte with its length (RFC 7301, section 3.1).
private func selectHTTP2(
  _ chosen: UnsafeMutablePointer<UnsafePointer<UInt8>?>?, _ length: UnsafeMutablePointer<UInt8>?,
  _ offered: UnsafePointer<UInt8>?, _ count: UInt32
) -> Int32 {
  let offer = UnsafeBufferPointer(start: offered, count: Int(count))
  var index = 0
  while index < offer.count {
    let name = UnsafeBufferPointer(rebasing: offer[(index + 1)...].prefix(Int(offer[index])))
    if name.elementsEqual("h2".utf8) {
      chosen?.pointee = name.baseAddress
      length?.pointee = 2
      return SSL_TLSEXT_ERR_OK
    }
    index += 1 + Int(offer[index])
  }
  return SSL_TLSEXT_ERR_ALERT_FATAL
}
