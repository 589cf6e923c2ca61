import EventLoop

/// What a handler knows about its call. Confined to the call's loop.
package struct ServerCall: Sendable {
  let stream: ServerStream

  /// `/package.Service/Method`.
  package var path: String { stream.route?.path ?? "" }

  /// When the caller stops waiting; the task is cancelled then.
  package var deadline: ContinuousClock.Instant? { stream.deadline }

  /// The caller's custom metadata.
  package var metadata: Metadata { stream.metadata }

  /// The loop that the handler runs on, and with it everything of the call.
  package var loop: EventLoop { stream.loop }

  /// The caller's `x-request-id`, or one made for this call; it is in the log, and in the answer when that is an error.
  package var requestID: String { stream.requestID }
}
