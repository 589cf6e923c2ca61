import Postgres
import Testing

@testable import Segmentation

@Suite struct `Membership decisions` {
  private let clock = Timestamp(microseconds: 1_000_000)
  private let soon = Timestamp(microseconds: 2_000_000)
  private let later = Timestamp(microseconds: 3_000_000)
  private let past = Timestamp(microseconds: 500_000)

  @Test func `assigning by what is there and by policy`() {
    typealias Case = (
      state: MembershipLook.State, wanting: Timestamp?, policy: PresentPolicy, kind: MembershipChange.Kind?,
      outcome: MembershipOutcome?
    )
    let cases: [Case] = [
      (.absent, nil, .fail, .assign, .assigned),
      (.expired(past), soon, .fail, .reassign, .assigned),
      (.expired(past), nil, .keep, .reassign, .assigned),
      (.present(nil), nil, .fail, nil, nil),
      (.present(soon), later, .keep, nil, .kept),
      (.present(soon), later, .replaceExpiry, .renew, .renewed),
      (.present(soon), nil, .replaceExpiry, .renew, .renewed),
      (.present(nil), soon, .replaceExpiry, .renew, .renewed),
      (.present(soon), soon, .replaceExpiry, nil, .kept),
    ]
    for test in cases {
      let step = MembershipDecision.step(test.state, wanting: test.wanting, policy: test.policy)
      #expect(step?.kind == test.kind && step?.outcome == test.outcome, "\(test)")
    }
  }

  private func look(_ expiries: [MembershipLook.Pair: Timestamp?] = [:]) throws -> MembershipLook {
    let segments = try [("A", 1), ("B", 2)].map {
      MembershipLook.Living(id: try SegmentID($0.1), slug: try Slug($0.0))
    }
    return MembershipLook(clock: clock, users: [try UserID(7)], segments: segments, expiries: expiries)
  }

  private func decide(_ update: MembershipUpdate) throws -> MembershipDecision {
    try MembershipDecision(update, on: look([.init(user: try UserID(7), segment: try SegmentID(1)): .some(soon)]))
  }

  @Test func `naming one segment twice is invalid, also by slug and by id`() throws {
    let user = try UserID(7)
    let byID = SegmentReference.id(try SegmentID(2))
    let reason = "names a segment a second time"
    #expect(throws: SegmentationError.invalid(field: "assign[1].segment", reason: reason)) {
      try decide(MembershipUpdate(user: user, assign: [assignment("B"), SegmentAssignment(byID)]))
    }
    #expect(throws: SegmentationError.invalid(field: "remove[0]", reason: reason)) {
      try decide(MembershipUpdate(user: user, assign: [assignment("B")], remove: [byID]))
    }
  }

  @Test func `what is missing or there is refused by policy and named`() throws {
    let user = try UserID(7)
    let a = SegmentReference.slug(try Slug("A"))
    let b = SegmentReference.slug(try Slug("B"))
    let unknown = SegmentReference.slug(try Slug("NOPE"))
    #expect(throws: SegmentationError.membershipAlreadyExists(user, [a])) {
      try decide(MembershipUpdate(user: user, assign: [assignment("A"), assignment("B")]))
    }
    #expect(throws: SegmentationError.membershipNotFound(user, [b])) {
      try decide(MembershipUpdate(user: user, remove: [a, b]))
    }
    for update in [
      MembershipUpdate(user: user, assign: [SegmentAssignment(unknown)], missingPolicy: .ignore),
      MembershipUpdate(user: user, remove: [unknown]),
    ] {
      #expect(throws: SegmentationError.segmentNotFound(unknown)) { try decide(update) }
    }
    let ignoring = try decide(MembershipUpdate(user: user, remove: [a, b, unknown], missingPolicy: .ignore))
    #expect(ignoring.outcomes.map(\.outcome) == [.removed, .notPresent, .segmentNotFound])
    #expect(ignoring.changes.map(\.kind) == [.remove])
  }

  @Test func `an unknown user is refused unless it may be created`() throws {
    let stranger = try UserID(8)
    #expect(throws: SegmentationError.userNotFound(stranger)) { try decide(MembershipUpdate(user: stranger)) }
    #expect(try decide(MembershipUpdate(user: stranger, createUser: true)).createsUser)
  }

  @Test func `the answer that is kept comes back`() throws {
    let update = MembershipUpdate(
      user: try UserID(7), assign: [try assignment("B", anHour)],
      remove: [.slug(try Slug("NOPE")), .slug(try Slug("A"))], missingPolicy: .ignore)
    let decision = try decide(update)
    let entry = RequestLedger.Entry(fingerprint: "", answer: KeptUpdate(decision).text, position: nil)
    let identity = DatabaseIdentity(instance: "00", era: 1)
    #expect(try KeptUpdate(entry).result(for: update, nil, identity).outcomes == decision.outcomes)
  }
}
