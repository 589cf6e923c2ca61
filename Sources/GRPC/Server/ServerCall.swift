import EventLoop

/// What a handler knows about its call, and how it shapes the answer. Confined to the call's loop.
package struct ServerCall: Sendable {
  let stream: ServerStream

  /// `/package.Service/Method`.
  package var path: String { stream.route?.path ?? "" }

  /// When the caller stops waiting; the task is cancelled then.
  package var deadline: ContinuousClock.Instant? { stream.deadline }

  /// The caller's custom metadata.
  package var metadata: Metadata { stream.metadata }

  /// Whether either side may send any number of messages.
  package var isStreaming: Bool { stream.statistics.kind != .unary }

  /// How long the call has been going on, or took when it has ended: nanoseconds.
  package var elapsed: UInt64 { (stream.finished == 0 ? MonotonicTime.now : stream.finished) &- stream.started }

  /// The loop that the handler runs on, and with it everything of the call.
  package var loop: EventLoop { stream.loop }

  /// The caller's `x-request-id`, or one made for this call; it is in the log and in the answer's trailers.
  package var requestID: String { stream.requestID }

  /// Whether the request that the handler was given last came compressed.
  package var wasRequestCompressed: Bool { stream.inbound.wasCompressed }

  // MARK: The answer

  /// Sent with the answer's headers, before its first message; what is set after that has no effect.
  package var initialMetadata: Metadata {
    get { stream.answer.initialMetadata }
    nonmutating set { stream.answer.initialMetadata = newValue }
  }

  /// Sent with the status, after the last message.
  package var trailingMetadata: Metadata {
    get { stream.answer.trailingMetadata }
    nonmutating set { stream.answer.trailingMetadata = newValue }
  }

  /// Whether the answer's messages are compressed, if the caller takes that; the server's configuration decides when nobody
  /// sets it. It is told in the answer's headers: set it before the first message.
  package var compressesAnswer: Bool? {
    get { stream.answer.compresses }
    nonmutating set { stream.answer.compresses = newValue }
  }

  /// Sends the answer's headers now, and not only with its first message.
  /// - Throws: `RPCError` when the call is over.
  package func sendInitialMetadata() throws {
    try stream.sendHeaders()
  }
}
