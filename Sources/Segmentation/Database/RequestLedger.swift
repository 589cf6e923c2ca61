import Postgres

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// The answers to requests that carried an id: the same request again gets the same answer and changes nothing.
///
/// The answer is kept by the transaction that makes the change, so there are both or neither. Of two copies that race,
/// the second one waits for the first one's row and then finds its answer.
struct RequestLedger: Sendable {
  /// What a transaction keeps.
  struct Entry: Sendable {
    let fingerprint: String
    let answer: String
    /// The end of the request's changes in the audit log; nil when it changed nothing.
    let position: AuditPosition?
  }

  static let recall = Statement(
    "request_recall",
    """
    SELECT fingerprint, answer, audit_era, audit_xid, audit_sequence FROM segmentd.requests WHERE request_id = $1
    """)

  static let keep = Statement(
    "request_keep",
    """
    INSERT INTO segmentd.requests (request_id, fingerprint, answer, audit_era, audit_xid, audit_sequence)
    VALUES ($1, $2, $3, $4, $5::bigint::text::xid8, $6)
    """)

  static let forget = Statement(
    "request_forget",
    """
    DELETE FROM segmentd.requests WHERE recorded_at < statement_timestamp() - $1 * interval '1 microsecond'
    """)

  let pool: PostgresPool
  let settings: SegmentationSettings

  /// Makes a change once, in a transaction of its own, however often it is asked for under the caller's request id.
  /// - Parameters:
  ///   - operation: What is asked, all of it: another text under the same id is refused.
  ///   - isDryRun: Roll the change back, and keep nothing.
  ///   - change: Makes it, and answers. May run several times.
  func once<Answer: Codable & Sendable>(
    _ operation: String, by caller: Caller, isDryRun: Bool = false,
    _ change: @Sendable (PostgresConnection) async throws -> (Answer, AuditPosition?)
  ) async throws(SegmentationError) -> (Answer, AuditPosition?) {
    let fingerprint = caller.requestID == nil ? "" : try Fingerprint.hex(of: operation)
    let retry = Retry(pool: pool, settings: settings, deadline: caller.deadline)
    return try await retry.run {
      if let kept: (Answer, AuditPosition?) = try await kept(fingerprint, for: caller) { return kept }
      do {
        return try await attempt(fingerprint, by: caller, isDryRun: isDryRun, change)
      } catch let refusal as SegmentationError {
        // What stands in the way may be the work of another copy of this request, which was on its way when we looked.
        guard let kept: (Answer, AuditPosition?) = try await kept(fingerprint, for: caller) else { throw refusal }
        return kept
      }
    }
  }

  /// The answer that was given to this request, if any.
  private func kept<Answer: Codable>(
    _ fingerprint: String, for caller: Caller
  ) async throws -> (Answer, AuditPosition?)? {
    guard let id = caller.requestID, let entry = try await recall(id, deadline: caller.deadline) else { return nil }
    guard entry.fingerprint == fingerprint else { throw SegmentationError.requestIDReused(id) }
    return (try Self.decode(entry.answer), entry.position)
  }

  private func attempt<Answer: Codable & Sendable>(
    _ fingerprint: String, by caller: Caller, isDryRun: Bool,
    _ change: @Sendable (PostgresConnection) async throws -> (Answer, AuditPosition?)
  ) async throws -> (Answer, AuditPosition?) {
    do {
      return try await pool.transaction(deadline: caller.deadline) { connection in
        let (answer, position) = try await change(connection)
        if isDryRun { throw DryRun(answer: answer) }
        if let id = caller.requestID {
          let entry = Entry(fingerprint: fingerprint, answer: try Self.encode(answer), position: position)
          _ = try await connection.query(Self.keep, Self.parameters(id, entry))
        }
        return (answer, position)
      }
    } catch let dry as DryRun<Answer> {
      return (dry.answer, nil)
    }
  }

  /// The answer that was given under that id, if any.
  func recall(_ id: RequestID, deadline: ContinuousClock.Instant?) async throws -> Entry? {
    let result = try await pool.query(Self.recall, [.text(id.text)], deadline: deadline)
    guard result.rowCount > 0 else { return nil }
    return Entry(
      fingerprint: try result.text(0, 0), answer: try result.text(0, 1),
      position: try AuditPosition(result, row: 0, column: 2))
  }

  /// Of `keep`.
  static func parameters(_ id: RequestID, _ entry: Entry) -> [Parameter] {
    [
      .text(id.text), .text(entry.fingerprint), .text(entry.answer),
      entry.position.map { .int32($0.era) } ?? .null, .optionalInt64(entry.position?.xid),
      .optionalInt64(entry.position?.sequence),
    ]
  }

  static func encode<Answer: Codable>(_ answer: Answer) throws -> String {
    String(decoding: try JSONEncoder().encode(answer), as: UTF8.self)
  }

  static func decode<Answer: Codable>(_ text: String) throws -> Answer {
    try JSONDecoder().decode(Answer.self, from: Data(text.utf8))
  }
}

/// Ends a transaction that was only to tell what would happen.
private struct DryRun<Answer: Sendable>: Error {
  let answer: Answer
}
