import Testing

@testable import Segmentation

@Suite struct `User deletion` {
  @Test func `a deleted user is in no segment, and the log tells why`() async throws {
    try await withStores { stores in
      for slug in ["B", "A", "LAPSED"] { try await stores.segment(slug) }
      try await stores.update(
        7, assign: [assignment("B"), assignment("A", anHour), assignment("LAPSED", anHour)], createUser: true)
      try await stores.update(8, assign: [assignment("A")], createUser: true)
      try await stores.lapse(7, "LAPSED")
      let deletion = try await stores.users.delete(UserID(7), by: stores.caller)
      #expect(deletion.user?.id.number == 7 && deletion.segments.map(\.text) == ["A", "B"])
      let last = try await stores.log().last
      #expect(deletion.token?.position == last?.position)
      #expect(try await stores.slugs(of: 7) == [])
      #expect(try await stores.slugs(of: 8) == ["A"])
      let end = try await stores.log(AuditFilter(users: [UserID(7)], actions: [.deprive]))
      #expect(
        Set(end.map { "\($0.slug) \($0.cause) \($0.actor)" })
          == ["A userDeleted tester", "B userDeleted tester", "LAPSED expiry "])
      await #expect(throws: SegmentationError.userNotFound(try UserID(7))) {
        try await stores.users.get(UserID(7), by: stores.caller)
      }
      await #expect(throws: SegmentationError.userNotFound(try UserID(7))) {
        try await stores.update(7, assign: [assignment("A")])
      }
    }
  }

  @Test func `a user that does not exist is refused, unless that is allowed`() async throws {
    try await withStores { stores in
      await #expect(throws: SegmentationError.userNotFound(try UserID(7))) {
        try await stores.users.delete(UserID(7), by: stores.caller)
      }
      let deletion = try await stores.users.delete(UserID(7), allowMissing: true, by: stores.caller)
      #expect(deletion.user == nil && deletion.segments.isEmpty && deletion.token == nil)
    }
  }

  @Test func `validating and repeating a deletion`() async throws {
    try await withStores { stores in
      try await stores.segment("A")
      try await stores.update(7, assign: [assignment("A")], createUser: true)
      let foretold = try await stores.users.delete(UserID(7), validateOnly: true, by: stores.caller)
      #expect(foretold.segments.map(\.text) == ["A"] && foretold.token == nil)
      #expect(try await stores.slugs(of: 7) == ["A"])
      var caller = stores.caller
      caller.requestID = try RequestID("r")
      let first = try await stores.users.delete(UserID(7), by: caller)
      try await stores.update(7, assign: [assignment("A")], createUser: true)
      let again = try await stores.users.delete(UserID(7), by: caller)
      #expect(again.user == first.user && again.segments == first.segments && again.token == first.token)
      #expect(try await stores.slugs(of: 7) == ["A"])
    }
  }

  /// Were the user not held, an assignment that had looked before the deletion would put it in after.
  @Test func `no membership of a deleted user stays behind, whoever assigns meanwhile`() async throws {
    try await withStores(connections: 8) { stores in
      for slug in ["A", "B"] { try await stores.segment(slug) }
      for _ in 0..<20 {
        for number in 1...8 { try await stores.update(Int64(number), createUser: true) }
        try await withThrowingTaskGroup(of: Void.self) { group in
          for number in 1...8 {
            for slug in ["A", "B"] {
              group.addTask(executorPreference: testLoop) {
                do {
                  try await stores.update(Int64(number), assign: [assignment(slug)])
                } catch SegmentationError.userNotFound {}
              }
            }
            group.addTask(executorPreference: testLoop) {
              _ = try await stores.users.delete(UserID(Int64(number)), by: stores.caller)
            }
          }
          try await group.waitForAll()
        }
        let left = try await stores.sql("SELECT count(*) FROM segmentd.memberships").int64(0, 0)
        #expect(left == 0)
      }
    }
  }

  @Test func `no membership of a deleted user stays behind, whoever imports or creates meanwhile`() async throws {
    try await withStores(connections: 8) { stores in
      for slug in ["A", "B"] { try await stores.segment(slug) }
      try await stores.segment("ALL", outreach: 1)
      for round in 0..<20 {
        try await withThrowingTaskGroup(of: Void.self) { group in
          for slug in ["A", "B"] {
            group.addTask(executorPreference: testLoop) {
              let options = ImportOptions(createUsers: round % 2 == 0)
              let session = stores.memberships.beginImport(options, by: stores.caller)
              try await session.add((1...8).map { ImportRow(user: $0, segment: slug) })
              let summary = try await session.finish()
              #expect(summary.assigned + summary.alreadyPresent + summary.rejected == 8)
              #expect(summary.rejections.allSatisfy { $0.reason == .userNotFound })
            }
          }
          for number in 1...8 {
            group.addTask(executorPreference: testLoop) {
              _ = try await stores.users.create(UserID(Int64(number)), allowExisting: true, by: stores.caller)
              _ = try await stores.users.delete(UserID(Int64(number)), allowMissing: true, by: stores.caller)
            }
          }
          try await group.waitForAll()
        }
        let stray = try await stores.sql(
          """
          SELECT count(*) FROM segmentd.memberships AS m
          WHERE NOT EXISTS (SELECT FROM segmentd.users AS u WHERE u.user_id = m.user_id)
          """
        ).int64(0, 0)
        #expect(stray == 0)
      }
    }
  }

  /// An assignment that has looked holds the user; the deletion waits for it.
  @Test func `a deletion waits for an assignment that is under way, and then takes it back`() async throws {
    try await withStores { stores in
      let segment = try await stores.segment("A")
      try await stores.user(7)
      let caller = stores.caller
      let deletion = try await stores.pool.transaction { connection in
        _ = try await connection.query(UserSQL.hold, [.int32Array([try UserID(7).lock])])
        let deletion = Task(executorPreference: testLoop) { try await stores.users.delete(UserID(7), by: caller) }
        var isWaiting = false
        while !isWaiting {
          isWaiting = try await stores.sql(
            """
            SELECT EXISTS (
              SELECT FROM pg_locks AS l JOIN pg_database AS d ON d.oid = l.database
              WHERE d.datname = current_database() AND l.locktype = 'advisory' AND NOT l.granted)
            """
          ).bool(0, 0)
        }
        _ = try await connection.query(
          MembershipSQL.insertNew,
          [
            .int64Array([7]), .int64Array([segment.id.number]), .optionalTimestampArray([nil]), .textArray(["A"]),
            .text("late"), .null, .int64Array([segment.id.number]), .int64Array([7]),
          ])
        return deletion
      }
      #expect(try await deletion.value.segments.map(\.text) == ["A"])
      #expect(try await stores.story() == ["7 A assign import", "7 A deprive userDeleted"])
    }
  }
}
