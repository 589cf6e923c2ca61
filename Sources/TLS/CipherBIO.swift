import CSSL

/// Where OpenSSL reads and writes what travels: not a socket but the session's own bytes, so that the loop still reads and writes
/// once a turn, however many TLS records that is, and nothing is copied twice.
enum CipherBIO {
  private final class Method: @unchecked Sendable {
    let pointer: OpaquePointer?

    init() {
      pointer = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "segmentd")
      guard let pointer else { return }
      BIO_meth_set_write_ex(pointer) { bio, bytes, count, written in write(bio, bytes, count, written) }
      BIO_meth_set_read_ex(pointer) { bio, buffer, count, taken in read(bio, buffer, count, taken) }
      // OpenSSL asks to flush after each flight, and takes 0 for a failure.
      BIO_meth_set_ctrl(pointer) { _, command, _, _ in command == BIO_CTRL_FLUSH ? 1 : 0 }
      BIO_meth_set_create(pointer) { bio in
        BIO_set_init(bio, 1)
        return 1
      }
    }
  }

  /// Made once and never freed: OpenSSL's table of methods is the process's.
  private static let method = Method()

  /// - Parameter session: Must outlive the BIO.
  /// - Throws: `TLSError` when memory runs out.
  static func make(for session: TLSSession) throws(TLSError) -> OpaquePointer {
    guard let bio = BIO_new(method.pointer) else { throw .last() }
    BIO_set_data(bio, Unmanaged.passUnretained(session).toOpaque())
    return bio
  }

  private static func session(of bio: OpaquePointer?) -> TLSSession? {
    BIO_get_data(bio).map { Unmanaged<TLSSession>.fromOpaque($0).takeUnretainedValue() }
  }

  private static func write(
    _ bio: OpaquePointer?, _ bytes: UnsafePointer<CChar>?, _ count: Int, _ written: UnsafeMutablePointer<Int>?
  ) -> Int32 {
    guard let session = session(of: bio) else { return 0 }
    cssl_bio_clear_retry(bio)
    session.outgoing.append(contentsOf: UnsafeRawBufferPointer(start: bytes, count: count))
    written?.pointee = count
    return 1
  }

  private static func read(
    _ bio: OpaquePointer?, _ buffer: UnsafeMutablePointer<CChar>?, _ count: Int, _ taken: UnsafeMutablePointer<Int>?
  ) -> Int32 {
    cssl_bio_clear_retry(bio)
    guard let session = session(of: bio), !session.incoming.isEmpty else {
      cssl_bio_set_retry_read(bio)
      return 0
    }
    let part = UnsafeRawBufferPointer(rebasing: session.incoming.prefix(count))
    UnsafeMutableRawBufferPointer(start: buffer, count: count).copyMemory(from: part)
    session.incoming = UnsafeRawBufferPointer(rebasing: session.incoming.dropFirst(part.count))
    taken?.pointee = part.count
    return 1
  }
}
