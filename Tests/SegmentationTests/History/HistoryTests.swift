import Postgres
import Testing

@testable import Segmentation

@Suite struct `History` {
  @Test func `an instant in the future is refused`() async throws {
    try await withStores { stores in
      let future = Timestamp(microseconds: try await Self.clock(stores).microseconds + 60_000_000)
      let refusal = SegmentationError.invalid(field: "as_of", reason: "must not be in the future")
      await #expect(throws: refusal) {
        try await stores.history.segments(of: [UserID(1)], at: future, by: stores.caller)
      }
      await #expect(throws: refusal) {
        try await stores.history.explain(UserID(1), in: .id(SegmentID(1)), at: future, by: stores.caller)
      }
    }
  }

  @Test func `before everything there was nothing`() async throws {
    try await withStores { stores in
      try await stores.segment("A")
      try await stores.update(1, assign: [assignment("A")], createUser: true)
      let early = Timestamp(microseconds: 0)
      #expect(try await stores.history.segments(of: [UserID(1)], at: early, by: stores.caller) == [[]])
      await #expect(throws: SegmentationError.segmentNotFound(.slug(try Slug("A")))) {
        try await stores.history.check(UserID(1), in: .slug(Slug("A")), at: early, by: stores.caller)
      }
    }
  }

  @Test func `a slug means the segment that had it then`() async throws {
    try await withStores { stores in
      let first = try await stores.segment("A")
      try await stores.update(1, assign: [assignment("A")], createUser: true)
      let then = try await Self.clock(stores)
      _ = try await stores.segments.delete(.slug(Slug("A")), by: stores.caller)
      let between = try await Self.clock(stores)
      try await stores.segment("A")
      let history = stores.history
      #expect(try await history.segment(.slug(Slug("A")), at: then, by: stores.caller).id == first.id)
      #expect(try await history.check(UserID(1), in: .slug(Slug("A")), at: then, by: stores.caller).isMember)
      #expect(try await history.segments(of: [UserID(1)], at: then, by: stores.caller) == [[Slug("A")]])
      await #expect(throws: SegmentationError.segmentNotFound(.slug(try Slug("A")))) {
        try await history.segment(.slug(Slug("A")), at: between, by: stores.caller)
      }
      let now = try await Self.clock(stores)
      #expect(!(try await history.check(UserID(1), in: .slug(Slug("A")), at: now, by: stores.caller).isMember))
    }
  }

  /// What a writer does takes effect when its statement begins, and can be seen later.
  @Test func `a change that is being written is waited for`() async throws {
    try await withStores { stores in
      let segment = try await stores.segment("A")
      try await stores.user(1)
      let caller = stores.caller
      let answer = try await stores.pool.transaction { connection in
        _ = try await connection.query(
          MembershipSQL.insertNew,
          [
            .int64Array([1]), .int64Array([segment.id.number]), .optionalTimestampArray([nil]), .textArray(["A"]),
            .text("slow"), .null, .int64Array([segment.id.number]), .int64Array([1]),
          ])
        let then = try await Self.clock(stores)
        let answer = Task(executorPreference: testLoop) {
          try await stores.history.segments(of: [UserID(1)], at: then, by: caller)
        }
        // Long enough for it to have answered too early.
        try await stores.sql("SELECT pg_sleep(0.05)")
        return answer
      }
      #expect(try await answer.value == [[Slug("A")]])
    }
  }

  @Test func `who is written for too long is told so, and only who asks for an instant behind its beginning`()
    async throws
  {
    var settings = SegmentationSettings()
    settings.auditSettleWait = .milliseconds(20)
    try await withStores(settings: settings) { stores in
      try await stores.segment("A")
      try await stores.update(1, assign: [assignment("A")], createUser: true)
      let before = try await Self.clock(stores)
      try await stores.pool.transaction { connection in
        _ = try await connection.query(
          UserSQL.delete, [.int64(1), .text("slow"), .null])
        #expect(try await stores.history.segments(of: [UserID(1)], at: before, by: stores.caller) == [[Slug("A")]])
        let then = try await Self.clock(stores)
        await #expect(throws: SegmentationError.unsettled) {
          try await stores.history.segments(of: [UserID(1)], at: then, by: stores.caller)
        }
      }
    }
  }

  static func clock(_ stores: Stores) async throws -> Timestamp {
    try await stores.sql("SELECT clock_timestamp()").timestamp(0, 0)
  }
}

@Suite struct `Explaining` {
  static func explain(
    _ stores: Stores, _ user: Int64 = 1, _ slug: String = "A", at instant: Timestamp? = nil
  ) async throws -> MembershipExplanation {
    try await stores.history.explain(UserID(user), in: .slug(Slug(slug)), at: instant, by: stores.caller)
  }

  @Test func `a membership is explained by what brought it, and what ended it`() async throws {
    try await withStores { stores in
      try await stores.segment("A")
      let none = try await Self.explain(stores)
      #expect(none.reason == .neverAssigned && !none.isMember && none.records.isEmpty && none.userCreatedAt == nil)
      try await stores.update(1, assign: [assignment("A", anHour)], createUser: true, request: "r1")
      let assigned = try await Self.explain(stores)
      #expect(assigned.reason == .assigned && assigned.isMember && assigned.userCreatedAt != nil)
      #expect(assigned.records.map(\.requestID) == ["r1"] && assigned.membership?.source == .request)
      try await stores.update(1, assign: [assignment("A")], present: .replaceExpiry)
      let renewed = try await Self.explain(stores)
      #expect(renewed.records.map(\.action) == [.assign, .renew] && renewed.membership?.expiresAt == nil)
      #expect(renewed.membership?.assignedAt == assigned.membership?.assignedAt)
      try await stores.update(1, remove: ["A"])
      let removed = try await Self.explain(stores)
      #expect(removed.reason == .removed && removed.records.map(\.action) == [.assign, .renew, .deprive])
      try await stores.update(1, assign: [assignment("A", anHour)])
      let again = try await Self.explain(stores)
      #expect(again.reason == .assigned && again.records.count == 1)
      let past = try await Self.explain(stores, at: renewed.instant)
      #expect(past.reason == .assigned && past.records == renewed.records && past.membership == renewed.membership)
    }
  }

  @Test func `an expiry explains itself before it is swept and after`() async throws {
    try await withStores { stores in
      try await stores.segment("A")
      try await stores.update(1, assign: [assignment("A", anHour)], createUser: true)
      try await stores.lapse(1, "A")
      let before = try await Self.explain(stores)
      #expect(before.reason == .expired && !before.isMember && before.records.map(\.action) == [.assign])
      try await stores.sweeper.sweep()
      let after = try await Self.explain(stores)
      #expect(after.reason == .expired && after.records.map(\.action) == [.assign, .deprive])
      #expect(after.records.last?.effectiveAt == before.records.last?.expiresAt)
    }
  }

  @Test func `imports, outreach and deletions are told apart`() async throws {
    try await withStores { stores in
      try await stores.segment("A")
      try await stores.segment("ALL", outreach: 1)
      let session = stores.memberships.beginImport(ImportOptions(createUsers: true), by: stores.caller)
      try await session.add([ImportRow(user: 1, segment: "A")])
      _ = try await session.finish()
      #expect(try await Self.explain(stores).reason == .imported)
      let covered = try await Self.explain(stores, 1, "ALL")
      #expect(covered.reason == .outreach && covered.outreach.covers(covered.bucket))
      _ = try await stores.users.delete(UserID(1), by: stores.caller)
      #expect(try await Self.explain(stores).reason == .userDeleted)
      try await stores.update(2, assign: [assignment("A")], createUser: true)
      _ = try await stores.segments.delete(.slug(Slug("A")), by: stores.caller)
      let gone = try await Self.explain(stores, 2)
      #expect(gone.reason == .segmentDeleted && gone.segmentDeletedAt != nil)
      await #expect(throws: SegmentationError.segmentNotFound(.slug(try Slug("NEVER")))) {
        try await Self.explain(stores, 2, "NEVER")
      }
    }
  }
}
