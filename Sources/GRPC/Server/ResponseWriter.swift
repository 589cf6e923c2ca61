/// Sends the responses of a server-streaming or bidirectional call. Confined to the call's loop.
package struct ResponseWriter<Response: Sendable>: Sendable {
  let stream: ServerStream
  let coding: MessageCoding<Response>

  /// Queues a response, and waits while the peer's flow-control window is full and enough is queued.
  /// - Parameter compressed: Whether to compress it, when the answer's headers promised a coding
  ///   (`ServerCall.compressesAnswer`); nil leaves it to what was said there.
  /// - Throws: `RPCError` when the call is over (cancelled, deadline, connection lost), or the message cannot be encoded.
  package func write(_ response: Response, compressed: Bool? = nil) async throws {
    try stream.send(response, coding, compressed: compressed)
    try await stream.waitForRoom()
  }

  /// Queues a response that is held in another form, and does not wait: the caller does, now and then.
  /// - Throws: `RPCError` when the call is over, or the message cannot be encoded.
  package func queue<Form: Sendable>(_ response: Form, _ coding: MessageCoding<Form>) throws {
    try stream.send(response, coding)
  }

  /// Waits until the peer has taken all but so many bytes of what is queued; nil for what `write` waits for.
  /// - Throws: `RPCError` when the call is over.
  package func waitForRoom(_ bytes: Int? = nil) async throws {
    try await stream.waitForRoom(bytes)
  }
}
