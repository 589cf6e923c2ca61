import HTTP2

/// A call that did not end with OK: what the server answers with, and what the client throws.
package struct RPCError: Error, Sendable, CustomStringConvertible {
  package var code: StatusCode
  /// For developers, in English; never holds SQL or a parameter's value that the caller did not send.
  package var message: String
  /// A serialised `google.rpc.Status`, empty when there is none; travels as `grpc-status-details-bin`.
  package var details: [UInt8]
  /// Why, for programs, in `UPPER_SNAKE_CASE`; empty when the code says it all, or the details do.
  package var reason: String

  package init(_ code: StatusCode, _ message: String, details: [UInt8] = [], reason: String = "") {
    self.code = code
    self.message = message
    self.details = details
    self.reason = reason
  }

  package var description: String { "\(code): \(message)" }

  static let cancelled = RPCError(.cancelled, "the call was cancelled")
  static let deadlineExceeded = RPCError(.deadlineExceeded, "the deadline has passed")
  static let connectionLost = connectionLost(nil)

  /// - Parameter reason: What ended the connection, when it was not the peer that closed it.
  static func connectionLost(_ reason: (any Error)?) -> RPCError {
    let reason = reason as? HTTP2Error == .connectionClosed ? nil : reason
    return RPCError(.unavailable, "the connection was lost\(reason.map { ": \($0)" } ?? "")")
  }
}

/// Reasons of the runtime's own refusals and failures that others look for.
extension String {
  /// Of a client: nobody takes connections at the server's address, or there is no such address.
  package static let unreachable = "UNREACHABLE"
  package static let messageTooLarge = "MESSAGE_TOO_LARGE"
  package static let metadataTooLarge = "METADATA_TOO_LARGE"
}
