import CSSL

/// What a client trusts and who it is; files in PEM.
package struct TLSClientFiles: Hashable, Sendable {
  /// The authorities that the server's certificate must come from; nil: those that the system trusts.
  package var ca: String?
  /// The client's own certificate, followed by those between it and its authority; nil: none.
  package var certificate: String?
  /// The certificate's key; nil: it stands in the same file.
  package var key: String?

  package init(ca: String? = nil, certificate: String? = nil, key: String? = nil) {
    self.ca = ca
    self.certificate = certificate
    self.key = key
  }
}

extension TLSContext {
  /// The side that calls. The server's certificate is always verified.
  /// - Throws: `TLSError.file` for files that cannot be used, or that do not belong together.
  package static func client(_ files: TLSClientFiles) throws(TLSError) -> TLSContext {
    let context = try TLSContext(TLS_client_method(), isServer: false)
    if let ca = files.ca {
      try context.trust(ca)
    } else {
      try check(SSL_CTX_set_default_verify_paths(context.pointer))
    }
    if let certificate = files.certificate {
      _ = try context.use(certificate: certificate, key: files.key ?? certificate)
    }
    SSL_CTX_set_verify(context.pointer, SSL_VERIFY_PEER, nil)
    let protocols: [UInt8] = [2, UInt8(ascii: "h"), UInt8(ascii: "2")]
    // Unlike all others, this one answers 0 for success.
    guard SSL_CTX_set_alpn_protos(context.pointer, protocols, UInt32(protocols.count)) == 0 else { throw .last() }
    return context
  }
}
