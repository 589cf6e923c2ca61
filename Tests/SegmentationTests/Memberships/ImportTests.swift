import Postgres
import Testing

@testable import Segmentation

@Suite struct `Imports` {
  private func imported(
    _ stores: Stores, _ rows: [ImportRow], _ options: ImportOptions
  ) async throws -> ImportSummary {
    let session = stores.memberships.beginImport(options, by: stores.caller)
    try await session.add(rows)
    return try await session.finish()
  }

  private let creating = ImportOptions(createUsers: true, createSegments: true)

  @Test func `rows come in, once, over several chunks`() async throws {
    var settings = SegmentationSettings()
    settings.importChunk = 100
    try await withStores(settings: settings) { stores in
      let rows = (0..<1050).map { ImportRow(user: Int64($0 / 3 + 1), segment: "S\($0 % 3)") }
      let first = try await imported(stores, rows, creating)
      #expect(first.rows == 1050 && first.assigned == 1050 && first.usersCreated == 350 && first.segmentsCreated == 3)
      let log = try await stores.log()
      #expect(
        log.count == 1050 && log.allSatisfy { $0.cause == .import } && first.token?.position == log.last?.position)
      let again = try await imported(stores, rows, creating)
      #expect(again.assigned == 0 && again.alreadyPresent == 1050 && again.usersCreated == 0 && again.token == nil)
      #expect(try await stores.log().count == 1050)
    }
  }

  @Test func `bad rows are told one by one and the others come in`() async throws {
    try await withStores { stores in
      try await stores.segment("A")
      try await stores.user(1)
      try await stores.user(2)
      try await stores.update(2, assign: [assignment("A")])
      let rows = [
        ImportRow(user: 0, segment: "A"), ImportRow(user: 1, segment: "not a slug"), ImportRow(user: 9, segment: "A"),
        ImportRow(user: 1, segment: "NOPE"),
        ImportRow(user: 1, segment: "A", expiresAt: Timestamp(microseconds: 1_000_000)),
        ImportRow(user: 2, segment: "A"), ImportRow(user: 1, segment: "A"), ImportRow(user: 2, segment: ""),
      ]
      let summary = try await imported(stores, rows, ImportOptions(presentPolicy: .fail))
      #expect(
        summary.rejections.map(\.reason) == [
          .invalidUser, .invalidSlug, .userNotFound, .segmentNotFound, .invalidExpiry, .alreadyPresent,
        ])
      #expect(summary.rejections.map(\.row) == [0, 1, 2, 3, 4, 5])
      #expect(summary.assigned == 1 && summary.usersOnly == 1 && summary.rejected == 6 && summary.rows == 8)
    }
  }

  /// A new user is brought in by outreach on its creation; that must not stand in the way of its own rows, wherever they are.
  @Test(arguments: [PresentPolicy.fail, .keep, .replaceExpiry], [1, 3, 1000])
  func `outreach is not in the way of what an import lists for its new users`(
    policy: PresentPolicy, chunk: Int
  ) async throws {
    var settings = SegmentationSettings()
    settings.importChunk = chunk
    try await withStores(settings: settings) { stores in
      for slug in ["ALL", "BOTH"] { try await stores.segment(slug, outreach: 1) }
      try await stores.segment("NONE")
      try await stores.user(9)
      let later = Timestamp(microseconds: 4_000_000_000_000_000)
      let rows = [
        ImportRow(user: 1, segment: "NONE"), ImportRow(user: 1, segment: "ALL", expiresAt: later),
        ImportRow(user: 2, segment: "ALL"), ImportRow(user: 9, segment: "ALL"),
        ImportRow(user: 1, segment: "ALL", expiresAt: later),
        ImportRow(user: 2, segment: "NONE"), ImportRow(user: 2, segment: "ALL"), ImportRow(user: 3, segment: ""),
        ImportRow(user: 4, segment: "ALL", expiresAt: Timestamp(microseconds: 1_000_000)),
      ]
      var options = ImportOptions(createUsers: true, presentPolicy: policy, validateOnly: true)
      let foretold = try await imported(stores, rows, options)
      options.validateOnly = false
      let done = try await imported(stores, rows, options)
      for summary in [foretold, done] {
        #expect(summary.usersCreated == 4 && summary.assigned == 4 && summary.renewed == 0 && summary.usersOnly == 1)
        let refused: [ImportRejection.Reason] = [.alreadyPresent, .alreadyPresent, .alreadyPresent, .invalidExpiry]
        #expect(summary.rejections.map(\.reason) == (policy == .fail ? refused : [.invalidExpiry]))
        #expect(summary.alreadyPresent == (policy == .fail ? 0 : 3))
      }
      let all = try await stores.memberships.memberships(of: [1, 2, 3, 4, 9].map { try UserID($0) }, by: stores.caller)
      #expect(
        all.map { $0.map { "\($0.slug) \($0.source, default: "?")" } } == [
          ["ALL import", "BOTH outreach", "NONE import"], ["ALL import", "BOTH outreach", "NONE import"],
          ["ALL outreach", "BOTH outreach"], ["ALL outreach", "BOTH outreach"], ["ALL outreach", "BOTH outreach"],
        ])
      #expect(all[0][0].expiresAt == later && all[1][0].expiresAt == nil)
      // Lowering lets go whom outreach brought in.
      func slugs(_ user: Int64) async throws -> [String] {
        try await stores.memberships.segments(of: UserID(user), by: stores.caller).map(\.text)
      }
      try await stores.reach("ALL", 0)
      #expect(try await slugs(1) == ["ALL", "BOTH", "NONE"])
      #expect(try await slugs(2) == ["ALL", "BOTH", "NONE"])
      #expect(try await slugs(3) == ["BOTH"])
    }
  }

  @Test func `only so many rejections are told and all are counted`() async throws {
    try await withStores { stores in
      let rows = (0..<10).map { _ in ImportRow(user: -1, segment: "A") }
      let summary = try await imported(stores, rows, ImportOptions(maximumRejections: 3))
      #expect(summary.rejected == 10 && summary.rejections.map(\.row) == [0, 1, 2])
    }
  }

  @Test func `a later row finds what an earlier one of the same membership did`() async throws {
    try await withStores { stores in
      let far = Timestamp(microseconds: 4_000_000_000_000_000)
      let rows = [ImportRow(user: 1, segment: "A"), ImportRow(user: 1, segment: "A", expiresAt: far)]
      var options = creating
      options.presentPolicy = .replaceExpiry
      let summary = try await imported(stores, rows, options)
      #expect(summary.assigned == 1 && summary.renewed == 1)
      #expect(try await stores.story() == ["1 A assign import", "1 A renew import"])
    }
  }

  @Test func `a lapsed membership ends before the import begins it anew`() async throws {
    try await withStores { stores in
      try await stores.segment("A")
      try await stores.update(1, assign: [assignment("A", anHour)], createUser: true)
      try await stores.lapse(1, "A")
      let summary = try await imported(stores, [ImportRow(user: 1, segment: "A")], ImportOptions())
      #expect(summary.assigned == 1)
      #expect(try await stores.story() == ["1 A assign request", "1 A deprive expiry", "1 A assign import"])
    }
  }

  @Test func `validating foretells what the import then does`() async throws {
    try await withStores { stores in
      try await stores.segment("A")
      try await stores.update(1, assign: [assignment("A")], createUser: true)
      let rows = [
        ImportRow(user: 1, segment: "A"), ImportRow(user: 2, segment: "A"), ImportRow(user: 2, segment: "A"),
        ImportRow(user: 3, segment: "B"), ImportRow(user: 3, segment: "!"),
      ]
      var options = creating
      options.validateOnly = true
      let foretold = try await imported(stores, rows, options)
      #expect(try await stores.log().count == 1)
      options.validateOnly = false
      let real = try await imported(stores, rows, options)
      for path in [
        \ImportSummary.rows, \.assigned, \.alreadyPresent, \.rejected, \.usersCreated, \.segmentsCreated,
      ] {
        #expect(foretold[keyPath: path] == real[keyPath: path])
      }
    }
  }
}
