import EventLoop

/// What the inbound messages of all streams of a connection have in common. Confined to its loop.
final class InboundContext: @unchecked Sendable {
  let loop: EventLoop
  let codec: MessageCodec
  /// The largest message that is taken, in bytes.
  let limit: Int
  /// How many bytes may wait for their reader before the sender is held back.
  let highWater: Int
  let ledger: InputLedger?

  init(on loop: EventLoop, codec: MessageCodec, limit: Int, highWater: Int, ledger: InputLedger? = nil) {
    self.loop = loop
    self.codec = codec
    self.limit = limit
    self.highWater = highWater
    self.ledger = ledger
  }
}
