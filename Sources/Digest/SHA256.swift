import CCrypto

/// A SHA-256 that is fed piece by piece; OpenSSL does the work.
package final class SHA256: @unchecked Sendable {
  /// OpenSSL refused, for want of memory or because its provider offers no SHA-256.
  package struct Unavailable: Error {}

  /// Bytes of a digest.
  package static let size = 32

  private let context: OpaquePointer

  package init() throws(Unavailable) {
    guard let context = EVP_MD_CTX_new() else { throw Unavailable() }
    guard EVP_DigestInit_ex(context, EVP_sha256(), nil) == 1 else {
      EVP_MD_CTX_free(context)
      throw Unavailable()
    }
    self.context = context
  }

  deinit {
    EVP_MD_CTX_free(context)
  }

  package func update(_ bytes: UnsafeRawBufferPointer) {
    guard bytes.count > 0 else { return }
    EVP_DigestUpdate(context, bytes.baseAddress, bytes.count)
  }

  package func update(_ bytes: [UInt8]) {
    bytes.withUnsafeBytes { update($0) }
  }

  /// The digest of what was fed so far, 32 bytes; more may follow.
  package func soFar() throws(Unavailable) -> [UInt8] {
    let copy = try SHA256()
    guard EVP_MD_CTX_copy_ex(copy.context, context) == 1 else { throw Unavailable() }
    return copy.finish()
  }

  /// The digest of all that was fed, 32 bytes. Call once, at the end.
  package func finish() -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: Self.size) { buffer, count in
      var length: UInt32 = 0
      EVP_DigestFinal_ex(context, buffer.baseAddress, &length)
      count = Int(length)
    }
  }
}
