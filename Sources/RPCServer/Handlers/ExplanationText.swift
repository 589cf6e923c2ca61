import Contract
import Postgres
import Proto
import Segmentation

/// Why a user is or was in a segment, or not, in a sentence or two for people.
struct ExplanationText: Sendable {
  let text: String

  /// - Parameter isPast: The question was about an instant in the past, not about now.
  init(_ explanation: MembershipExplanation, isPast: Bool) {
    let user = "ser \(explanation.user)"
    let head = isPast ? "At \(Self.stamp(explanation.instant)) u\(user) was" : "U\(user) is"
    let sentences = ["\(head) \(Self.answer(explanation))."] + Self.circumstances(explanation)
    text = sentences.joined(separator: " ")
  }

  private static func answer(_ explanation: MembershipExplanation) -> String {
    let slug = explanation.segment.slug.text
    let first = explanation.records.first
    let last = explanation.records.last
    let bucket = explanation.bucket.number
    let threshold = explanation.outreach.partsPerMillion
    if explanation.isMember, explanation.records.isEmpty {
      return "in \(slug): it came in before the records that are kept\(until(explanation))"
    }
    switch explanation.reason {
    case .neverAssigned where explanation.keptSince != nil:
      return
        "not in \(slug): nothing has assigned it since\(at(explanation.keptSince)), where the records begin that are kept"
    case .assigned: return "in \(slug): \(told(first, "assigned it"))\(until(explanation))"
    case .imported: return "in \(slug): \(told(first, "imported it"))\(until(explanation))"
    case .outreach:
      let source = explanation.records.last { $0.isSource }
      let deed = (source?.action == .renew ? "took it over" : "brought it in") + at(source?.effectiveAt)
      if explanation.outreach.covers(explanation.bucket) {
        return """
          in \(slug): the outreach of \(percent(threshold)) covers the user (bucket \(bucket) is below \(threshold)) and \
          \(deed)
          """
      }
      return """
        in \(slug): outreach \(deed); that of \(percent(threshold)) would not (bucket \(bucket) is not below \(threshold))
        """
    case .neverAssigned
    where explanation.outreach.covers(explanation.bucket) && explanation.segmentDeletedAt == nil
      && explanation.userCreatedAt != nil:
      return """
        not in \(slug): nothing ever assigned it, and the outreach of \(percent(threshold)) covers the user (bucket \(bucket) is \
        below \(threshold)), but had not come to it or was not to
        """
    case .neverAssigned where explanation.outreach.covers(explanation.bucket):
      return "not in \(slug): nothing ever assigned it"
    case .neverAssigned where threshold > 0 && explanation.segmentDeletedAt == nil:
      return """
        not in \(slug): nothing ever assigned it, and the outreach of \(percent(threshold)) does not cover the user \
        (bucket \(bucket) is not below \(threshold))
        """
    case .neverAssigned: return "not in \(slug): nothing ever assigned it"
    case .removed: return "not in \(slug): \(told(last, "removed it"))"
    case .expired:
      return
        "not in \(slug): its time was up\(at(last.flatMap { $0.action == .deprive ? $0.effectiveAt : $0.expiresAt }))"
    case .outreachLowered:
      return """
        not in \(slug): the outreach was lowered, which released it\(at(last?.effectiveAt)) (bucket \(bucket))
        """
    case .segmentDeleted:
      let isWritten = last?.action == .deprive
      return "not in \(slug): "
        + (isWritten ? told(last, "deleted the segment") : "the segment was deleted\(at(explanation.segmentDeletedAt))")
    case .userDeleted: return "not in \(slug): \(told(last, "deleted the user"))"
    case .rolloutPending:
      return """
        not in \(slug) yet: the outreach of \(percent(threshold)) covers the user (bucket \(bucket) is below \(threshold)) \
        and has not come to it
        """
    }
  }

  /// What else one would ask: how it had come in, who renewed it, whether there is such a user.
  private static func circumstances(_ explanation: MembershipExplanation) -> [String] {
    var sentences: [String] = []
    let records = explanation.records
    if !explanation.isMember, let begun = records.first, begun.action == .assign {
      switch begun.cause {
      case .outreach: sentences.append("Outreach had brought it in\(at(begun.effectiveAt)).")
      case .import: sentences.append("Before, \(told(begun, "imported it")).")
      default: sentences.append("Before, \(told(begun, "assigned it")).")
      }
    }
    if let renewal = records.last(where: { $0.action == .renew && !$0.isSource }) {
      sentences.append("\(capitalised(told(renewal, "changed the expiry"))).")
    }
    if records.isEmpty, explanation.segment.createdAt > explanation.instant {
      sentences.append("The segment was created\(at(explanation.segment.createdAt)).")
    }
    if records.isEmpty, let deleted = explanation.segmentDeletedAt {
      sentences.append("The segment was deleted\(at(deleted)).")
    }
    if explanation.userCreatedAt == nil { sentences.append("The user is not known now.") }
    return sentences
  }

  private static func told(_ record: AuditRecord?, _ what: String) -> String {
    guard let record else { return "somebody \(what)" }
    let request = record.requestID.map { " (request id \($0))" } ?? ""
    return "\(record.actor.isEmpty ? "the server" : record.actor) \(what)\(at(record.effectiveAt))\(request)"
  }

  private static func until(_ explanation: MembershipExplanation) -> String {
    explanation.membership?.expiresAt.map { ", until \(stamp($0))" } ?? ""
  }

  private static func at(_ instant: Timestamp?) -> String {
    instant.map { " at \(stamp($0))" } ?? ""
  }

  private static func stamp(_ instant: Timestamp) -> String { StampFormatter.string(ProtoTimestamp(instant)) }

  private static func capitalised(_ text: String) -> String { text.prefix(1).uppercased() + text.dropFirst() }

  /// 420000 is 42%, 1 is 0.0001%.
  private static func percent(_ partsPerMillion: Int32) -> String {
    let (whole, rest) = partsPerMillion.quotientAndRemainder(dividingBy: 10_000)
    if rest == 0 { return "\(whole)%" }
    var digits = String(String(10_000 + rest).dropFirst())
    while digits.last == "0" { digits.removeLast() }
    return "\(whole).\(digits)%"
  }
}

private typealias Timestamp = Postgres.Timestamp
private typealias AuditRecord = Segmentation.AuditRecord
