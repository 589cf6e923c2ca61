import EventLoop

/// What a server's owner may know and decide about its calls. Called on the call's loop.
package struct ServerHooks: Sendable {
  /// Turns an error that a handler threw, and that is not an `RPCError`, into the status that the caller gets.
  package var status: @Sendable (any Error, ServerCall) -> RPCError
  /// What a call that does not end with OK is answered with: the place for details that every error has, the runtime's own
  /// refusals too.
  package var completed: (@Sendable (RPCError, ServerCall) -> RPCError)?
  /// A call has ended with this status.
  package var callEnded: (@Sendable (ServerCall, StatusCode) -> Void)?
  /// A client was cut off, or not taken, for a limit; nil for a peer that has gone meanwhile.
  package var cutOff: (@Sendable (CutOff, SocketAddress?) -> Void)?
  /// A TLS handshake failed; the connection was closed.
  package var handshakeFailed: (@Sendable (any Error) -> Void)?

  /// - Parameter status: By default INTERNAL, with the request id and nothing of the error.
  package init(
    status: @escaping @Sendable (any Error, ServerCall) -> RPCError = { _, call in
      RPCError(.internalError, "internal error, request id \(call.requestID)")
    },
    completed: (@Sendable (RPCError, ServerCall) -> RPCError)? = nil,
    callEnded: (@Sendable (ServerCall, StatusCode) -> Void)? = nil,
    cutOff: (@Sendable (CutOff, SocketAddress?) -> Void)? = nil,
    handshakeFailed: (@Sendable (any Error) -> Void)? = nil
  ) {
    self.status = status
    self.completed = completed
    self.callEnded = callEnded
    self.cutOff = cutOff
    self.handshakeFailed = handshakeFailed
  }
}
