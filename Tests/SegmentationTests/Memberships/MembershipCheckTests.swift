import Testing

@testable import Segmentation

@Suite struct `Membership checks` {
  private static func standing(
    _ stores: Stores, _ user: Int64, _ slug: String
  ) async throws -> MembershipStanding {
    try await stores.memberships.check(UserID(user), in: .slug(Slug(slug)), by: stores.caller)
  }

  @Test func `one question is answered by slug and by id`() async throws {
    try await withStores { stores in
      let a = try await stores.segment("A")
      try await stores.segment("B")
      try await stores.update(1, assign: [assignment("A", anHour)], createUser: true)
      let yes = try await Self.standing(stores, 1, "A")
      #expect(yes.isMember && yes.expiresAt != nil)
      #expect(try await stores.memberships.check(UserID(1), in: .id(a.id), by: stores.caller) == yes)
      #expect(try await Self.standing(stores, 1, "B") == .out)
      #expect(try await Self.standing(stores, 2, "A") == .out)
      try await stores.update(1, assign: [assignment("B")])
      #expect(try await Self.standing(stores, 1, "B") == MembershipStanding(isMember: true, expiresAt: nil))
    }
  }

  @Test func `an unknown segment is not found, whatever else is asked with it`() async throws {
    try await withStores { stores in
      try await stores.segment("A")
      try await stores.update(1, assign: [assignment("A")], createUser: true)
      let caller = stores.caller
      let references: [SegmentReference] = try [.slug(Slug("A")), .slug(Slug("NONE")), .id(SegmentID(999))]
      let answers = await withTaskGroup(of: (Int, Result<Bool, SegmentationError>).self) { group in
        for number in 0..<60 {
          group.addTask(executorPreference: testLoop) {
            do throws(SegmentationError) {
              let standing = try await stores.memberships.check(
                UserID(Int64(1 + number / 30)), in: references[number % 3], by: caller)
              return (number, .success(standing.isMember))
            } catch {
              return (number, .failure(error))
            }
          }
        }
        return await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
      }
      for number in 0..<60 {
        let expected: Result<Bool, SegmentationError> =
          number % 3 == 0 ? .success(number < 30) : .failure(.segmentNotFound(references[number % 3]))
        #expect(answers[number] == expected)
      }
    }
  }

  @Test func `a membership whose time is up counts for nothing`() async throws {
    try await withStores { stores in
      try await stores.segment("A")
      try await stores.update(1, assign: [assignment("A", anHour)], createUser: true)
      try await stores.lapse(1, "A")
      #expect(try await Self.standing(stores, 1, "A") == .out)
      #expect(try await stores.sweeper.sweep() == 1)
      #expect(try await Self.standing(stores, 1, "A") == .out)
    }
  }

  /// Another server deletes the segment and creates another one of that slug: what this one remembers is out of date.
  @Test func `a slug that belongs to another segment by now is answered for that one`() async throws {
    try await withStores { stores in
      let old = try await stores.segment("A")
      try await stores.update(1, assign: [assignment("A")], createUser: true)
      #expect(try await Self.standing(stores, 1, "A").isMember)
      try await stores.delete("A")
      await #expect(throws: SegmentationError.segmentNotFound(.slug(try Slug("A")))) {
        try await Self.standing(stores, 1, "A")
      }
      try await stores.segment("A")
      #expect(try await Self.standing(stores, 1, "A") == .out)
      try await stores.update(1, assign: [assignment("A")])
      #expect(try await Self.standing(stores, 1, "A").isMember)
      await #expect(throws: SegmentationError.segmentNotFound(.id(old.id))) {
        try await stores.memberships.check(UserID(1), in: .id(old.id), by: stores.caller)
      }
    }
  }
}
