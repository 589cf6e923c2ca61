/// A call that is going on. Confined to its channel's loop; its responses are read by one task.
package struct ClientCall<Request: Sendable, Response: Sendable>: Sendable {
  let stream: ClientStream
  let method: MethodDescriptor<Request, Response>

  /// Sends a request, and waits while the server's flow-control window is full and enough is queued.
  /// When the server has ended the call already, the reader of the responses learns why.
  /// - Throws: `RPCError` when the call is over or the message cannot be encoded.
  package func send(_ request: Request) async throws {
    try await stream.send(request, method.request)
  }

  /// No more requests.
  package func finish() {
    stream.finish()
  }

  /// Ends the call; the server's handler is cancelled.
  package func cancel() {
    stream.abandon(.cancelled)
  }

  /// The next response, nil when the call ended with OK.
  /// - Throws: `RPCError` with the status that the call ended with.
  package func next() async throws -> Response? {
    guard let message = try await stream.next() else { return nil }
    return try message.withUnsafeBytes { try method.response.decode($0) }
  }

  /// The response of a call that has exactly one.
  /// - Throws: `RPCError` with the status that the call ended with.
  package func response() async throws -> Response {
    guard let response = try await next() else {
      throw RPCError(.internalError, "the server sent no response")
    }
    guard try await stream.next() == nil else {
      stream.abandon(.cancelled)
      throw RPCError(.internalError, "the server sent more than one response")
    }
    return response
  }

  /// The server's custom metadata: of the headers, and when the call has ended also of the trailers.
  package var metadata: Metadata { stream.head.metadata }
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
