import EventLoop
import HTTP2

/// The messages that have arrived on one stream and that nobody has taken yet. Confined to its loop.
///
///     open ──end──► ended          next() waits only while it is open and empty
///       └───fail──► failed
///
/// The peer gets its flow-control credit back while less than `highWater` bytes wait, so a slow reader stops a fast sender.
final class InboundMessages: @unchecked Sendable {
  private enum State {
    case open
    case ended
    case failed(RPCError)
  }

  /// What a waiting message costs beside its bytes: without it a peer could pile up empty ones for ever.
  private static let overhead = 64

  private let context: InboundContext
  private var state = State.open
  private var deframer: MessageDeframer
  private var queue = MessageQueue()
  private var queuedBytes = 0
  private var owedCredit = 0
  private var waiter: Promise<Void>?
  /// How compressed messages are coded; nil takes none. Set before the first one arrives.
  var encoding: MessageEncoding? {
    didSet { deframer.takesCompressed = encoding != nil }
  }
  /// Whether the message that was taken last came compressed.
  private(set) var wasCompressed = false

  /// What the ledger knows of.
  private var accounted = 0

  init(_ context: InboundContext) {
    self.context = context
    deframer = MessageDeframer(limit: context.limit)
  }

  deinit {
    if accounted != 0 { context.ledger?.add(-accounted) }
  }

  private func account() {
    guard let ledger = context.ledger else { return }
    let held = queuedBytes + deframer.heldBytes
    guard held != accounted else { return }
    ledger.add(held - accounted)
    accounted = held
  }

  /// How many messages have arrived and wait.
  var count: Int { queue.count }

  /// - Throws: What the deframer refuses; the stream cannot be read on after that.
  func receive(_ bytes: UnsafeRawBufferPointer, of stream: HTTP2Stream) throws(RPCError) {
    guard case .open = state else { return stream.consume(bytes.count) }
    owedCredit += bytes.count
    try deframer.push(bytes) { message in
      queuedBytes += message.bytes.count + Self.overhead
      queue.append(message)
    }
    account()
    giveCredit(to: stream)
    if !queue.isEmpty { wake() }
  }

  /// The peer has sent all; `error` comes after what still waits.
  /// - Throws: INTERNAL when it ended within a message, and there is no `error` to explain it.
  func end(_ error: RPCError? = nil) throws(RPCError) {
    guard case .open = state else { return }
    guard !deframer.isIncomplete || error != nil else {
      throw RPCError(.internalError, "the stream ended in the middle of a message")
    }
    state = error.map { .failed($0) } ?? .ended
    wake()
  }

  /// Nothing more can come; what waits is dropped.
  func fail(_ error: RPCError) {
    switch state {
    case .open: break
    case .ended where !queue.isEmpty: break
    case .ended, .failed: return
    }
    state = .failed(error)
    queue.removeAll()
    queuedBytes = 0
    deframer = MessageDeframer(limit: deframer.limit)
    account()
    wake()
  }

  /// The next message, nil when the peer has ended. One task reads.
  /// - Throws: `RPCError` of `fail(_:)` or of `take(from:)`, `CancellationError`.
  func next(from stream: HTTP2Stream?) async throws -> [UInt8]? {
    while true {
      if let message = try take(from: stream) { return message }
      switch state {
      case .ended: return nil
      case .failed(let error): throw error
      case .open:
        if let waiter, !waiter.isSettled { throw RPCError(.internalError, "two tasks read one stream") }
        let waiter = Promise<Void>(on: context.loop)
        self.waiter = waiter
        try await waiter.value()
      }
    }
  }

  /// The next message if it is here. It is decompressed only now: what waits costs no more than its bytes on the wire.
  /// - Throws: `RPCError` RESOURCE_EXHAUSTED when it becomes larger than the limit, INTERNAL when it cannot be decompressed.
  func take(from stream: HTTP2Stream?) throws(RPCError) -> [UInt8]? {
    guard let message = queue.popFirst() else { return nil }
    queuedBytes -= message.bytes.count + Self.overhead
    account()
    if let stream { giveCredit(to: stream) }
    wasCompressed = message.isCompressed
    return try context.codec.open(message, encoding, limit: deframer.limit)
  }

  private func giveCredit(to stream: HTTP2Stream) {
    guard queuedBytes <= context.highWater, owedCredit > 0 else { return }
    let credit = owedCredit
    owedCredit = 0
    stream.consume(credit)
  }

  private func wake() {
    let waiter = waiter
    self.waiter = nil
    waiter?.succeed(())
  }
}
