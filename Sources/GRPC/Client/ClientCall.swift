/// A call that is going on. Confined to its channel's loop; its responses are read by one task.
package struct ClientCall<Request: Sendable, Response: Sendable>: Sendable {
  let attempts: CallAttempts
  let method: MethodDescriptor<Request, Response>

  /// Sends a request, and waits while the server's flow-control window is full and enough is queued.
  /// When the server has ended the call already, the reader of the responses learns why.
  /// - Parameter compressed: Whether to compress it, when the call's options name a coding; nil does so when it is worth it.
  /// - Throws: `RPCError` when the call is over or the message cannot be encoded.
  package func send(_ request: Request, compressed: Bool? = nil) async throws {
    try await attempts.send(request, method.request, compressed: compressed)
  }

  /// No more requests.
  package func finish() {
    attempts.finish()
  }

  /// Ends the call; the server's handler is cancelled.
  package func cancel() {
    attempts.cancel()
  }

  /// The next response, nil when the call ended with OK.
  /// - Throws: `RPCError` with the status that the call ended with; what a message throws that cannot be decoded, which ends it.
  package func next() async throws -> Response? {
    guard let message = try await attempts.next() else { return nil }
    do { return try message.withUnsafeBytes { try method.response.decode($0) } } catch {
      cancel()
      throw error
    }
  }

  /// Whether the response that came last was compressed.
  package var wasResponseCompressed: Bool { attempts.wasResponseCompressed }

  /// The response of a call that has exactly one.
  /// - Throws: `RPCError` with the status that the call ended with.
  package func response() async throws -> Response {
    guard let response = try await next() else {
      throw RPCError(.internalError, "the server sent no response")
    }
    guard try await attempts.next() == nil else {
      attempts.cancel()
      throw RPCError(.internalError, "the server sent more than one response")
    }
    return response
  }

  /// The server's custom metadata: of the headers, and when the call has ended also of the trailers.
  package var metadata: Metadata { initialMetadata + trailingMetadata }

  /// The custom metadata of the response's headers; empty before they have come, and when the call ended with them.
  package var initialMetadata: Metadata { attempts.head.initialMetadata }

  /// The custom metadata that came with the call's end.
  package var trailingMetadata: Metadata { attempts.head.trailingMetadata }
}

extension Channel {
  /// One request, one response.
  /// - Throws: `RPCError` with the status that the call ended with.
  package func unary<Request: Sendable, Response: Sendable>(
    _ method: MethodDescriptor<Request, Response>, _ request: Request, options: CallOptions = .init()
  ) async throws -> Response {
    try await serverStreaming(method, request, options: options).response()
  }

  /// One request, a stream of responses: read them with `next()`.
  /// - Throws: `RPCError`
  package func serverStreaming<Request: Sendable, Response: Sendable>(
    _ method: MethodDescriptor<Request, Response>, _ request: Request, options: CallOptions = .init()
  ) async throws -> ClientCall<Request, Response> {
    let call = try await call(method, options: options)
    try await call.send(request)
    call.finish()
    return call
  }
}
