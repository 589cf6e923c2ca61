import Postgres

/// Whether a user is in a segment, and until when.
package struct MembershipStanding: Hashable, Sendable {
  package let isMember: Bool
  /// From this instant on the user is no longer in; nil: without end, or not in.
  package let expiresAt: Timestamp?

  static let out = MembershipStanding(isMember: false, expiresAt: nil)
}

/// Answers whether users are in segments, for a whole batch with one query.
///
/// The query is given ids and tells which of those segments live and which of those memberships there are, both at the same
/// instant; no slug is joined. The id that a slug had last is remembered. Should that segment be gone, its slug is looked up
/// again and the question asked once more, so an answer never goes by what was remembered.
struct MembershipChecker: Sendable {
  struct Question: Hashable, Sendable {
    let user: UserID
    let segment: SegmentReference
  }

  typealias Answer = Result<MembershipStanding, SegmentationError>

  /// How often a slug is looked up whose segment is deleted and created all the while.
  private static let rounds = 4

  let pool: PostgresPool
  let directory: SegmentDirectory

  /// Answers in the order of the questions. Those that could be answered before an error are.
  func answers(_ questions: [Question], deadline: ContinuousClock.Instant?) async -> [Answer] {
    var answers = [Answer?](repeating: nil, count: questions.count)
    do {
      for _ in 0..<Self.rounds where answers.contains(where: { $0 == nil }) {
        try await round(questions, &answers, deadline: deadline)
      }
    } catch {
      let failure = SegmentationError(error)
      return answers.map { $0 ?? .failure(failure) }
    }
    return answers.map { $0 ?? .failure(.aborted) }
  }

  /// Asks what is not answered yet. What names a slug whose segment is gone stays open.
  private func round(
    _ questions: [Question], _ answers: inout [Answer?], deadline: ContinuousClock.Instant?
  ) async throws {
    let open = questions.indices.filter { answers[$0] == nil }
    try await directory.learnLiving(Set(open.compactMap { slug(questions[$0].segment) }), deadline: deadline)
    var asked: [(index: Int, id: Int64)] = []
    for index in open {
      if let id = id(questions[index].segment) {
        asked.append((index, id))
      } else {
        answers[index] = .failure(.segmentNotFound(questions[index].segment))
      }
    }
    guard !asked.isEmpty else { return }
    let found = try Found(try await query(asked.map { (questions[$0.index].user.number, $0.id) }, deadline: deadline))
    for (index, id) in asked {
      let question = questions[index]
      if found.living.contains(id) {
        let key = Found.Key(user: question.user.number, segment: id)
        answers[index] = .success(
          found.members[key].map { MembershipStanding(isMember: true, expiresAt: $0) } ?? .out)
      } else if let slug = slug(question.segment) {
        directory.forgetLiving(slug, id: id)
      } else {
        answers[index] = .failure(.segmentNotFound(question.segment))
      }
    }
  }

  private func query(
    _ pairs: [(user: Int64, segment: Int64)], deadline: ContinuousClock.Instant?
  ) async throws -> PostgresResult {
    if pairs.count == 1 {
      return try await pool.query(
        MembershipSQL.checkOne, [.int64(pairs[0].user), .int64(pairs[0].segment)], deadline: deadline)
    }
    return try await pool.query(
      MembershipSQL.checkMany,
      [
        .int64Array(pairs.map(\.user)), .int64Array(pairs.map(\.segment)),
        .int64Array(Set(pairs.map(\.segment)).sorted()),
      ], deadline: deadline)
  }

  private func slug(_ reference: SegmentReference) -> Slug? {
    if case .slug(let slug) = reference { slug } else { nil }
  }

  private func id(_ reference: SegmentReference) -> Int64? {
    switch reference {
    case .id(let id): id.number
    case .slug(let slug): directory.living(slug)
    }
  }

  /// What a query answered.
  private struct Found {
    struct Key: Hashable {
      let user: Int64
      let segment: Int64
    }

    private(set) var living: Set<Int64> = []
    private(set) var members: [Key: Timestamp?] = [:]

    init(_ result: PostgresResult) throws {
      for row in 0..<result.rowCount {
        let segment = try result.int64(row, 1)
        if try result.isNull(row, 0) {
          living.insert(segment)
        } else {
          members[Key(user: try result.int64(row, 0), segment: segment)] = .some(try result.optionalTimestamp(row, 2))
        }
      }
    }
  }
}
