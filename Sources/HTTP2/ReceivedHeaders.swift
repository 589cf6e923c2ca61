import CNghttp2

/// The fields of one header block as they arrive: nghttp2's own buffers, held on to and not copied, so that a block is handed over
/// in one call. Confined to its loop.
package final class ReceivedHeaders: @unchecked Sendable {
  private struct Field {
    let name: OpaquePointer
    let value: OpaquePointer
  }

  /// What each field counts beside its name and value (RFC 9113, section 6.5.2).
  private static let overhead = 32
  private var fields: [Field] = []
  private let limit: Int
  /// Of this block and those before it on the same stream, as far as the limit.
  private(set) var size = 0

  /// - Parameter limit: Bytes, as SETTINGS_MAX_HEADER_LIST_SIZE counts; what comes after that is not held.
  init(limit: Int) {
    self.limit = limit
  }

  deinit {
    release()
  }

  /// Calls `body` with each field in order; the pointers are valid during the call.
  @inline(__always)
  package func forEach(_ body: (_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> Void) {
    for field in fields { body(Self.bytes(field.name), Self.bytes(field.value)) }
  }

  /// A block begins.
  /// - Parameter size: What its stream has received before.
  func begin(size: Int) {
    if !fields.isEmpty { clear() }
    self.size = size
  }

  /// The decoder must run on behind the limit, to keep the HPACK state, but nothing is held or even looked at any more.
  /// - Returns: False for the field that goes beyond the limit.
  func append(_ name: OpaquePointer, _ value: OpaquePointer) -> Bool {
    guard size <= limit else { return true }
    size += nghttp2_rcbuf_get_buf(name).len + nghttp2_rcbuf_get_buf(value).len + Self.overhead
    guard size <= limit else { return false }
    nghttp2_rcbuf_incref(name)
    nghttp2_rcbuf_incref(value)
    fields.append(Field(name: name, value: value))
    return true
  }

  /// The block has been handed over.
  func clear() {
    release()
    fields.removeAll(keepingCapacity: true)
  }

  /// Gives the room back that the next block would need: an idle connection owns none.
  func shrink() {
    clear()
    fields = []
  }

  private func release() {
    for field in fields {
      nghttp2_rcbuf_decref(field.name)
      nghttp2_rcbuf_decref(field.value)
    }
  }

  private static func bytes(_ buffer: OpaquePointer) -> UnsafeRawBufferPointer {
    let bytes = nghttp2_rcbuf_get_buf(buffer)
    return UnsafeRawBufferPointer(start: bytes.base, count: bytes.len)
  }
}
