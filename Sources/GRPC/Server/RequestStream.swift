/// The requests of a client-streaming or bidirectional call, in order; iterated once. Confined to the call's loop.
///
/// The caller is held back by flow control while the handler does not take what has arrived.
package struct RequestStream<Request: Sendable>: AsyncSequence, Sendable {
  let stream: ServerStream
  let coding: MessageCoding<Request>

  package struct AsyncIterator: AsyncIteratorProtocol {
    let stream: ServerStream
    let coding: MessageCoding<Request>

    /// - Throws: `RPCError` when the call is over or a message cannot be decoded.
    package mutating func next() async throws -> Request? {
      guard let message = try await stream.inbound.next(from: stream.stream) else { return nil }
      stream.statistics.received &+= 1
      return try message.withUnsafeBytes { try coding.decode($0) }
    }
  }

  package func makeAsyncIterator() -> AsyncIterator {
    AsyncIterator(stream: stream, coding: coding)
  }
}
