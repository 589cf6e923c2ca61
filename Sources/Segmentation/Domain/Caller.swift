/// Who asks, under which id, and until when the answer is wanted.
package struct Caller: Sendable {
  /// As the server knows callers; goes into the audit log.
  package var actor: String
  /// The caller's id of the request; nil when it gave none.
  package var requestID: RequestID?
  /// Nil: as long as the pool's statements may take.
  package var deadline: ContinuousClock.Instant?

  package init(actor: String, requestID: RequestID? = nil, deadline: ContinuousClock.Instant? = nil) {
    self.actor = actor
    self.requestID = requestID
    self.deadline = deadline
  }

  /// The longest actor that the log keeps, in characters; the rest of a longer one is left out.
  static let maximumActorLength = 256

  /// The actor as the log keeps it.
  var loggedActor: String {
    let scalars = actor.unicodeScalars.lazy.filter { $0.value != 0 }.prefix(Self.maximumActorLength)
    var text = String.UnicodeScalarView()
    text.append(contentsOf: scalars)
    return String(text)
  }
}
