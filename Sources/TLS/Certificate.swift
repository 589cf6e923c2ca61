import CSSL

/// An X.509 certificate. Immutable, so it may go anywhere.
package final class Certificate: @unchecked Sendable {
  let pointer: OpaquePointer

  init(owning pointer: OpaquePointer) {
    self.pointer = pointer
  }

  deinit {
    X509_free(pointer)
  }

  /// When it expires, in seconds since 1970.
  package var expiry: Int64 { cssl_seconds(X509_get0_notAfter(pointer)) }

  /// The subject on one line: `CN = segmentd.internal, O = ...`.
  package var subject: String {
    var buffer = [CChar](repeating: 0, count: 1024)
    let count = Int(cssl_subject(pointer, &buffer, Int32(buffer.count)))
    return String(decoding: buffer.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  /// The certificates of a PEM file in their order, at least one.
  /// - Throws: `TLSError.file`
  package static func all(inFile path: String) throws(TLSError) -> [Certificate] {
    let file = try PEMFile(path)
    var all: [Certificate] = []
    while let pointer = PEM_read_bio_X509(file.bio, nil, nil, nil) { all.append(Certificate(owning: pointer)) }
    // The last read finds no further certificate; anything else than that means that one is damaged.
    let code = ERR_peek_last_error()
    let isEnd = cssl_error_library(code) == ERR_LIB_PEM && cssl_error_reason(code) == PEM_R_NO_START_LINE
    defer { ERR_clear_error() }
    guard isEnd else { throw .file(path: path, reason: "it holds a damaged certificate: \(TLSError.takeReason())") }
    guard !all.isEmpty else { throw .file(path: path, reason: "it holds no certificate in PEM") }
    return all
  }
}

/// A private key. Immutable, so it may go anywhere.
final class PrivateKey: @unchecked Sendable {
  let pointer: OpaquePointer

  /// - Throws: `TLSError.file`
  init(file path: String) throws(TLSError) {
    let file = try PEMFile(path)
    // A pass phrase would be asked for on the terminal, unless a callback answers that there is none.
    guard let pointer = PEM_read_bio_PrivateKey(file.bio, nil, { _, _, _, _ in -1 }, nil) else {
      ERR_clear_error()
      throw .file(path: path, reason: "it holds no private key in PEM, or one with a pass phrase")
    }
    self.pointer = pointer
  }

  deinit {
    EVP_PKEY_free(pointer)
  }
}

/// A file that is open for reading.
private struct PEMFile: ~Copyable {
  let bio: OpaquePointer

  init(_ path: String) throws(TLSError) {
    ERR_clear_error()
    guard let bio = BIO_new_file(path, "r") else {
      throw .file(path: path, reason: "cannot be read: \(TLSError.takeReason())")
    }
    self.bio = bio
  }

  deinit {
    BIO_free(bio)
  }
}
