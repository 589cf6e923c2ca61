import CCrypto

/// HMAC with SHA-256 (RFC 2104); OpenSSL does the work.
package enum HMAC {
  /// The code of a message, 32 bytes.
  /// - Throws: `SHA256.Unavailable`
  package static func code(of message: [UInt8], key: [UInt8]) throws(SHA256.Unavailable) -> [UInt8] {
    var code = [UInt8](repeating: 0, count: SHA256.size)
    var length: UInt32 = 0
    guard ccrypto_hmac(key, key.count, message, message.count, &code, &length) == 1, length == SHA256.size else {
      throw SHA256.Unavailable()
    }
    return code
  }

  /// Whether two codes are the same, in a time that does not tell where they differ.
  package static func areEqual(_ one: [UInt8], _ other: [UInt8]) -> Bool {
    one.count == other.count && CRYPTO_memcmp(one, other, one.count) == 0
  }
}
