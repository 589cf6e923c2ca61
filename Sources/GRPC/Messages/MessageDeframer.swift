/// Cuts a stream of bytes into messages (gRPC over HTTP/2, "Length-Prefixed-Message").
///
///     prefix ──5 bytes──► body ──count bytes──► prefix
///
/// It holds one incomplete message of at most `limit` bytes, and allocates for what has arrived, not for what a prefix claims.
struct MessageDeframer: Sendable {
  private enum State {
    case prefix
    case body(remaining: Int, isCompressed: Bool)
  }

  /// The largest message that is taken, in bytes.
  let limit: Int
  /// Whether messages may have the Compressed-Flag: the call has a `grpc-encoding` that says how.
  var takesCompressed = false
  private var state = State.prefix
  private var partial: [UInt8] = []

  init(limit: Int) {
    self.limit = limit
  }

  /// How many bytes of a message that is not complete are held.
  var heldBytes: Int { partial.count }

  /// Whether the bytes so far end in the middle of a message.
  var isIncomplete: Bool {
    if case .prefix = state { !partial.isEmpty } else { true }
  }

  /// Takes bytes and calls `emit` with each message that they complete.
  /// - Throws: `RPCError` RESOURCE_EXHAUSTED for a message over the limit, INTERNAL for a prefix that means nothing, or says
  ///   compressed in a call where nothing is.
  mutating func push(_ bytes: UnsafeRawBufferPointer, _ emit: (WireMessage) -> Void) throws(RPCError) {
    var rest = bytes
    while true {
      switch state {
      case .prefix:
        if partial.isEmpty, rest.count >= MessagePrefix.length {
          // The usual case, without a copy of the prefix, and of the body only one.
          let count = Int(UInt32(bigEndian: rest.loadUnaligned(fromByteOffset: 1, as: UInt32.self)))
          try check(flags: rest[0], count: count)
          let isCompressed = rest[0] == 1
          rest = .init(rebasing: rest[MessagePrefix.length...])
          if rest.count >= count {
            emit(WireMessage(bytes: [UInt8](rest[..<count]), isCompressed: isCompressed))
            rest = .init(rebasing: rest[count...])
            if rest.isEmpty { return }
          } else {
            state = .body(remaining: count, isCompressed: isCompressed)
          }
          continue
        }
        let taken = min(MessagePrefix.length - partial.count, rest.count)
        partial.append(contentsOf: rest[..<taken])
        rest = .init(rebasing: rest[taken...])
        guard partial.count == MessagePrefix.length else { return }
        let count = partial[1...].reduce(0) { $0 << 8 | Int($1) }
        try check(flags: partial[0], count: count)
        state = .body(remaining: count, isCompressed: partial[0] == 1)
        partial = []
      case .body(let remaining, let isCompressed):
        let taken = min(remaining, rest.count)
        partial.append(contentsOf: rest[..<taken])
        rest = .init(rebasing: rest[taken...])
        state = .body(remaining: remaining - taken, isCompressed: isCompressed)
        guard taken == remaining else { return }
        emit(WireMessage(bytes: partial, isCompressed: isCompressed))
        partial = []
        state = .prefix
        if rest.isEmpty { return }
      }
    }
  }

  private func check(flags: UInt8, count: Int) throws(RPCError) {
    guard flags <= 1 else { throw RPCError(.internalError, "the message prefix has unknown flags") }
    guard flags == 0 || takesCompressed else { throw .compressedWithoutEncoding }
    guard count <= limit else {
      throw RPCError(
        .resourceExhausted, "a message of \(count) bytes is over the limit of \(limit) bytes", reason: .messageTooLarge)
    }
  }
}
