import Postgres
import PostgresFixture
import Testing

@testable import Segmentation

@Suite struct `Audit store` {
  @Test func `chunks of any size hold every record once, in order`() async throws {
    try await withStores { stores in
      for slug in ["A", "B"] { try await stores.segment(slug) }
      for number in 1...20 {
        try await stores.update(Int64(number), assign: [assignment("A"), assignment("B", anHour)], createUser: true)
      }
      let whole = try await stores.log()
      #expect(whole.count == 40 && whole == whole.sorted { $0.position < $1.position })
      for chunk in [1, 7, 39, 40] { #expect(try await stores.log(chunk: chunk) == whole) }
    }
  }

  @Test func `filters let through what they name`() async throws {
    try await withStores { stores in
      let a = try await stores.segment("A")
      try await stores.segment("B", outreach: 1)
      for number in 1...3 { try await stores.update(Int64(number), assign: [assignment("A")], createUser: true) }
      try await stores.update(2, remove: ["A"])
      func count(_ filter: AuditFilter) async throws -> Int { try await stores.log(filter).count }
      #expect(try await count(AuditFilter()) == 7)
      #expect(try await count(AuditFilter(users: [UserID(2)])) == 3)
      #expect(try await count(AuditFilter(users: [])) == 0)
      #expect(try await count(AuditFilter(segments: [a.id])) == 4)
      #expect(try await count(AuditFilter(actions: [.deprive])) == 1)
      #expect(try await count(AuditFilter(causes: [.outreach])) == 3)
      #expect(try await count(AuditFilter(users: [UserID(2)], actions: [.assign], causes: [.request])) == 1)
      let middle = try await stores.log()[3].effectiveAt
      let early = try await count(AuditFilter(until: middle))
      let late = try await count(AuditFilter(from: middle))
      #expect(early + late == 7 && early > 0 && late > 0)
    }
  }

  @Test(arguments: [1, 4, 1000] as [Int64])
  func `where nothing is found in time the log is gone through in pieces, and nothing is left out`(piece: Int64)
    async throws
  {
    var settings = SegmentationSettings()
    settings.auditPatience = .zero
    settings.auditPieceRecords = piece
    try await withStores(settings: settings) { stores in
      try await stores.segment("A")
      for number in 1...20 { try await stores.update(Int64(number), assign: [assignment("A")], createUser: true) }
      for number in [3, 4, 19] { try await stores.update(Int64(number), remove: ["A"]) }
      let whole = try await stores.log()
      #expect(whole.count == 23)
      for action in [AuditAction.assign, .deprive, .renew] {
        let filter = AuditFilter(actions: [action])
        for chunk in [1, 2, 30] {
          #expect(try await stores.log(filter, chunk: chunk) == whole.filter { $0.action == action })
        }
      }
      // One reading ends with its piece.
      let bound = try await stores.audit.bound()
      var scan = AuditScan(position: .beginning)
      var readings = 0
      var found = 0
      while !scan.isComplete && readings < 100 {
        scan = try await stores.audit.scan(
          after: scan.position, to: bound, limit: 100, filter: AuditFilter(actions: [.deprive]),
          inPieces: scan.goesInPieces
        ) { _ in found += 1 }
        readings += 1
      }
      #expect(found == 3)
      // The first one learns that there is little to find, those before the last era that nothing is in there, the last one that
      // nothing is left.
      #expect(readings == Int(bound.end.era) + 23 / Int(piece) + 1)
    }
  }

  @Test func `a slug in a filter means every segment that ever had it`() async throws {
    try await withStores { stores in
      let first = try await stores.segment("A")
      try await stores.delete("A")
      let second = try await stores.segment("A")
      #expect(try await stores.audit.segments(named: [.slug(Slug("A"))]) == [first.id, second.id])
      #expect(try await stores.audit.segments(named: [.id(first.id)]) == [first.id])
    }
  }

  @Test func `a record of a transaction that runs on is waited for, or left out with all behind it`() async throws {
    var settings = SegmentationSettings()
    settings.auditSettleWait = .milliseconds(50)
    // Transactions of other tests would hold readers up as well.
    let cluster = try await PostgresCluster()
    try await withStores(settings: settings, on: cluster) { stores in
      try await stores.segment("A")
      try await stores.update(1, assign: [assignment("A")], createUser: true)
      try await stores.pool.transaction { connection in
        _ = try await connection.query(Statement("test_xid", "SELECT pg_current_xact_id()::text"))
        try await stores.update(2, assign: [assignment("A")], createUser: true)
        let bound = try await stores.audit.bound()
        #expect(!bound.isComplete)
        let seen = try await stores.audit.read(after: .beginning, to: bound, limit: 10)
        #expect(seen.map(\.user.number) == [1])
      }
      let bound = try await stores.audit.bound()
      #expect(bound.isComplete)
      #expect(try await stores.audit.read(after: .beginning, to: bound, limit: 10).count == 2)
    }
    try cluster.end()
  }

  /// A transaction that got its id first changes a membership after a younger one did: the log must not tell it first.
  @Test func `the log tells the changes of a membership in their order`() async throws {
    try await withStores { stores in
      let segment = try await stores.segment("A")
      try await stores.user(1)
      try await stores.pool.transaction { connection in
        _ = try await connection.query(Statement("test_xid", "SELECT pg_current_xact_id()::text"))
        try await stores.update(1, assign: [assignment("A")])
        try await stores.update(1, remove: ["A"])
        _ = try await connection.query(
          MembershipSQL.insertNew,
          [
            .int64Array([1]), .int64Array([segment.id.number]), .optionalTimestampArray([nil]), .textArray(["A"]),
            .text("late"), .null, .int64Array([segment.id.number]), .int64Array([1]),
          ])
      }
      #expect(try await stores.log().map(\.actor) == ["tester", "tester", "late"])
    }
  }

  @Test func `the check finds what somebody wrote past the log`() async throws {
    try await withStores(checksAudit: false) { stores in
      try await stores.segment("A")
      for number in 1...4 { try await stores.update(Int64(number), assign: [assignment("A")], createUser: true) }
      #expect(try await differences(stores, usersPerChunk: 2) == [])
      try await stores.sql("DELETE FROM segmentd.memberships WHERE user_id = 1")
      try await stores.sql("UPDATE segmentd.memberships SET expires_at = 'infinity' WHERE user_id = 2")
      try await stores.sql("DELETE FROM segmentd.audit WHERE user_id = 3")
      try await stores.sql(
        """
        INSERT INTO segmentd.memberships
        SELECT 99, segment_id, NULL, assigned_at, cause FROM segmentd.memberships LIMIT 1
        """
      )
      let found = try await differences(stores, usersPerChunk: 2).map { "\($0.user) \($0.kind)" }
      #expect(
        Set(found) == [
          "1 lostMembership", "2 otherExpiry", "3 unexplainedMembership", "99 unexplainedMembership",
        ])
    }
  }
}
