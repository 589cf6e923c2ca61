import Postgres

/// What the ledger keeps of an update's answer: a line for each outcome, after one that tells whether the user was
/// created.
struct KeptUpdate: Sendable {
  let text: String

  init(_ decision: MembershipDecision) {
    var lines = [decision.createsUser ? "created" : "known"]
    for outcome in decision.outcomes {
      let expiry = outcome.expiresAt.map { String($0.microseconds) } ?? "-"
      lines.append(
        "\(outcome.outcome.rawValue) \(outcome.segment?.number ?? 0) \(outcome.slug?.text ?? "-") \(expiry)")
    }
    text = lines.joined(separator: "\n")
  }

  init(_ entry: RequestLedger.Entry) {
    text = entry.answer
  }

  /// - Throws: `SegmentationError.internal` when it is not the answer to such an update.
  func result(
    for update: MembershipUpdate, _ position: AuditPosition?, _ identity: DatabaseIdentity
  ) throws(SegmentationError) -> MembershipUpdateResult {
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    let references = update.references
    guard lines.count == references.count + 1 else { throw Self.foreign }
    var outcomes: [SegmentOutcome] = []
    for (reference, line) in zip(references, lines.dropFirst()) {
      let words = line.split(separator: " ")
      guard words.count == 4, let outcome = MembershipOutcome(rawValue: String(words[0])), let id = Int64(words[1])
      else { throw Self.foreign }
      outcomes.append(
        SegmentOutcome(
          reference: reference, segment: id == 0 ? nil : SegmentID(stored: id),
          slug: id == 0 ? nil : Slug(stored: String(words[2])), outcome: outcome,
          expiresAt: Int64(words[3]).map { Timestamp(microseconds: $0) }))
    }
    return MembershipUpdateResult(
      outcomes: outcomes, userCreated: lines[0] == "created", token: position.map { AuditToken(identity, $0) })
  }

  private static let foreign = SegmentationError.internal("the answer that was kept is of another kind")
}
