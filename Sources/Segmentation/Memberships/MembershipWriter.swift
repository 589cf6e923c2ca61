import Postgres

/// Makes a batch of updates: looks at what they name, decides, and writes all that is to change in one statement.
///
///     look ─► decide ─► refused, nothing to write, or only asked ─► answered
///       ▲        │
///       │        └────► write ─► written ─► answered
///       └─ somebody else changed one of them ─┘
///
/// The statement verifies that it finds what was decided upon, so a decision never acts on something stale.
struct MembershipWriter: Sendable {
  /// One update, and who asks for it.
  struct Call: Sendable {
    let update: MembershipUpdate
    let caller: Caller
  }

  typealias Answer = Result<MembershipUpdateResult, SegmentationError>

  /// A call whose changes are to be written.
  private struct Planned: Sendable {
    let index: Int
    let call: Call
    let decision: MembershipDecision
    let fingerprint: String
  }

  let pool: PostgresPool
  let installation: Installation
  let settings: SegmentationSettings

  /// Answers each call, in their order.
  func run(_ calls: [Call], deadline: ContinuousClock.Instant?) async -> [Answer] {
    var answers = [Answer?](repeating: nil, count: calls.count)
    var open = Array(calls.indices)
    var attempt = 1
    // A lifetime shorter than the way from the look to the write would have passed each time.
    var delay = Duration.zero
    let retry = Retry(pool: pool, settings: settings, deadline: deadline)
    while !open.isEmpty {
      let start = ContinuousClock.now
      do {
        open = try await pass(calls, open, &answers, delay: delay, deadline: deadline)
        attempt = 1
      } catch {
        do {
          delay = max(delay, (ContinuousClock.now - start) * 2)
          try await retry.prepareNext(after: error, attempt: attempt)
          attempt += 1
        } catch {
          for index in open where answers[index] == nil { answers[index] = .failure(error) }
          break
        }
      }
      open = open.filter { answers[$0] == nil }
    }
    return answers.map { $0 ?? .failure(.internal("an update was not answered")) }
  }

  /// One look and what follows from it.
  /// - Parameter delay: How long after the look the write is thought to be.
  /// - Returns: The calls that must wait for the next pass, because an earlier one changes the same user or has the
  ///   same id.
  private func pass(
    _ calls: [Call], _ open: [Int], _ answers: inout [Answer?], delay: Duration, deadline: ContinuousClock.Instant?
  ) async throws -> [Int] {
    var look = try await look(open.map { calls[$0] }, deadline: deadline)
    look.delay = delay
    let identity = try await installation.identity(deadline: deadline)
    var together: [Planned] = []
    var alone: [Planned] = []
    var later: [Int] = []
    var users: Set<UserID> = []
    var requests: Set<RequestID> = []
    for index in open {
      let call = calls[index]
      let isRepeated = call.caller.requestID.map { !requests.insert($0).inserted } ?? false
      if isRepeated || users.contains(call.update.user) {
        later.append(index)
        continue
      }
      switch consider(call, index, look, identity) {
      case .answered(let answer): answers[index] = answer
      case .planned(let planned):
        users.insert(call.update.user)
        if planned.decision.createsUser { alone.append(planned) } else { together.append(planned) }
      }
    }
    if !together.isEmpty {
      let users = Self.assigned(together)
      let result = try await pool.query(
        MembershipSQL.write, Self.parameters(together, users), holding: users, followedBy: Self.clearing(together),
        deadline: deadline)
      answer(together, try AuditPosition(result, row: 0, column: 0), identity, &answers)
    }
    for planned in alone {
      answer([planned], try await writeCreating(planned, deadline: deadline), identity, &answers)
    }
    return later
  }

  private enum Considered {
    case answered(Answer)
    case planned(Planned)
  }

  private func consider(
    _ call: Call, _ index: Int, _ look: MembershipLook, _ identity: DatabaseIdentity
  ) -> Considered {
    do {
      var fingerprint = ""
      if let id = call.caller.requestID {
        fingerprint = try Fingerprint.hex(of: call.update.fingerprintText)
        if let entry = look.answers[id] {
          guard entry.fingerprint == fingerprint else { throw SegmentationError.requestIDReused(id) }
          return .answered(.success(try KeptUpdate(entry).result(for: call.update, entry.position, identity)))
        }
      }
      let decision = try MembershipDecision(call.update, on: look)
      let isNothing = decision.changes.isEmpty && !decision.createsUser && call.caller.requestID == nil
      if call.update.validateOnly || isNothing {
        return .answered(
          .success(MembershipUpdateResult(outcomes: decision.outcomes, userCreated: decision.createsUser, token: nil)))
      }
      return .planned(Planned(index: index, call: call, decision: decision, fingerprint: fingerprint))
    } catch {
      return .answered(.failure(SegmentationError(error)))
    }
  }

  private func look(_ calls: [Call], deadline: ContinuousClock.Instant?) async throws -> MembershipLook {
    var references: Set<SegmentReference> = []
    for call in calls { references.formUnion(call.update.references) }
    let parameters = MembershipLook.parameters(
      users: Set(calls.map(\.update.user)), references: references, requests: calls.compactMap(\.caller.requestID))
    return try MembershipLook(try await pool.query(MembershipLook.statement, parameters, deadline: deadline))
  }

  private func answer(
    _ planned: [Planned], _ position: AuditPosition?, _ identity: DatabaseIdentity, _ answers: inout [Answer?]
  ) {
    installation.committed(position)
    for planned in planned {
      let isNothing = planned.decision.changes.isEmpty && !planned.decision.createsUser
      let token = isNothing ? nil : position.map { AuditToken(identity, $0) }
      answers[planned.index] = .success(
        MembershipUpdateResult(
          outcomes: planned.decision.outcomes, userCreated: planned.decision.createsUser, token: token))
    }
  }

  /// Makes the user known first. Outreach leaves the segments alone that the call itself names.
  /// - Returns: The end of all that was written to the audit log, outreach's records included.
  private func writeCreating(
    _ planned: Planned, deadline: ContinuousClock.Instant?
  ) async throws -> AuditPosition? {
    let named = planned.decision.outcomes.compactMap(\.segment)
    let caller = planned.call.caller
    return try await pool.transaction(deadline: deadline) { (connection) -> AuditPosition? in
      let created = try await connection.query(
        UserSQL.create, UserSQL.parameters([planned.call.update.user], sparing: named, by: caller))
      guard created.rowCount > 0 else {
        throw PostgresError(.server, "the user became known meanwhile", sqlState: .serializationFailure)
      }
      if planned.decision.changes.isEmpty {
        let position = try AuditPosition(created, row: 0, column: 2)
        guard let id = caller.requestID else { return position }
        let entry = RequestLedger.Entry(
          fingerprint: planned.fingerprint, answer: KeptUpdate(planned.decision).text, position: position)
        _ = try await connection.query(RequestLedger.keep, RequestLedger.parameters(id, entry))
        return position
      }
      // Nobody else sees the user yet, so nobody can delete it.
      let parameters = Self.parameters([planned], Self.assigned([planned]))
      let written = try await connection.query(MembershipSQL.write, parameters)
      for (statement, parameters) in Self.clearing([planned]) { _ = try await connection.query(statement, parameters) }
      return try AuditPosition(written, row: 0, column: 0)
    }
  }

  /// The users that come into a segment.
  private static func assigned(_ planned: [Planned]) -> Set<UserID> {
    Set(planned.filter { $0.decision.changes.contains(where: \.kind.bringsIn) }.map(\.call.update.user))
  }

  /// What must follow `MembershipSQL.write` in its transaction: nothing, mostly.
  private static func clearing(_ planned: [Planned]) -> [(Statement, [Parameter])] {
    let clearing = planned.filter(\.decision.needsClearing)
    guard !clearing.isEmpty else { return [] }
    let absent = clearing.flatMap { $0.decision.unchanged.filter { $0.kind == .leaveAbsent } }
    let parameters: [Parameter] = [
      .int64Array(absent.map(\.user.number)), .int64Array(absent.map(\.segment.number)),
      .textArray(clearing.flatMap { $0.decision.unused.map(\.text) }),
    ]
    return [(MembershipSQL.clear, parameters)]
  }

  /// Of `MembershipSQL.write`.
  private static func parameters(_ planned: [Planned], _ users: Set<UserID>) -> [Parameter] {
    let all = planned.flatMap { planned in
      (planned.decision.changes + planned.decision.unchanged).map { (planned.call.caller, $0) }
    }
    let kept = planned.filter { $0.call.caller.requestID != nil }
    return [
      .int64Array(all.map(\.1.user.number)), .int64Array(all.map(\.1.segment.number)),
      .int32Array(all.map(\.1.kind.rawValue)), .optionalTimestampArray(all.map(\.1.found)),
      .optionalTimestampArray(all.map(\.1.expiresAt)), .textArray(all.map(\.1.slug.text)),
      .int32Array(all.map { _ in Int32(AuditCause.request.rawValue) }), .textArray(all.map(\.0.loggedActor)),
      .optionalTextArray(all.map(\.0.requestID?.text)), .textArray(kept.compactMap(\.call.caller.requestID?.text)),
      .textArray(kept.map(\.fingerprint)), .textArray(kept.map { KeptUpdate($0.decision).text }),
      .boolArray(kept.map { !$0.decision.changes.isEmpty }),
      .int64Array(Set(all.map(\.1.segment.number)).sorted()), .int64Array(users.map(\.number)),
    ]
  }
}
