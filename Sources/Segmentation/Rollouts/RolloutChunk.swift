import Postgres

/// What one transaction of the worker did.
struct RolloutChunk: Sendable {
  enum Kind: Int, CaseIterable, Sendable {
    case users, members, deletion
  }

  let kind: Kind
  /// Users or members that were looked at.
  let rows: Int
  /// The end of its audit records; nil when nothing changed.
  let position: AuditPosition?

  private init(_ kind: Kind, rows: Int, position: AuditPosition?) {
    self.kind = kind
    self.rows = rows
    self.position = position
  }

  /// The next members of a deleted segment.
  /// - Parameter size: How many rows a chunk of that kind may have.
  /// - Returns: Nil when there is nothing to do.
  static func deletion(_ connection: PostgresConnection, size: (Kind) -> Int) async throws -> RolloutChunk? {
    let taken = try await connection.query(DeletionSQL.take)
    guard taken.rowCount > 0 else { return nil }
    let result = try await run(
      connection, DeletionSQL.chunk,
      [
        .int64(try taken.int64(0, 0)), .int64(try taken.int64(0, 1)), .int64(Int64(size(.deletion))),
        .timestamp(try taken.timestamp(0, 2)), .text(try taken.text(0, 3)), .text(try taken.text(0, 4)),
        .optionalText(try taken.optionalText(0, 5)),
      ])
    return RolloutChunk(
      .deletion, rows: Int(try result.int64(0, 0)), position: try AuditPosition(result, row: 0, column: 1))
  }

  /// The next users of a change of outreach; first of all, how many there are.
  /// - Parameter size: How many rows a chunk of that kind may have.
  /// - Returns: Nil when there is nothing to do.
  static func rollout(_ connection: PostgresConnection, size: (Kind) -> Int) async throws -> RolloutChunk? {
    let taken = try await connection.query(RolloutSQL.take)
    guard taken.rowCount > 0 else { return nil }
    let work = try Work(taken)
    guard let kind = work.kind else {
      _ = try await connection.query(RolloutSQL.finish, [.int64(work.id)])
      return RolloutChunk(.members, rows: 0, position: nil)
    }
    guard let last = work.lastUser else {
      _ = try await connection.query(
        kind == .users ? RolloutSQL.beginWithUsers : RolloutSQL.beginWithMembers, [.int64(work.id)])
      return RolloutChunk(kind, rows: 0, position: nil)
    }
    let statement = kind == .users ? RolloutChunkSQL.users : RolloutChunkSQL.members
    let result = try await run(
      connection, statement, work.parameters(upTo: last, size(kind)), holdsUsers: kind == .users)
    return RolloutChunk(kind, rows: Int(try result.int64(0, 0)), position: try AuditPosition(result, row: 0, column: 3))
  }

  /// - Parameter holdsUsers: None is deleted until the transaction has ended, so that nobody who is gone is brought in.
  private static func run(
    _ connection: PostgresConnection, _ statement: Statement, _ parameters: [Parameter], holdsUsers: Bool = false
  ) async throws -> PostgresResult {
    let hold = holdsUsers ? [(UserSQL.hold, [Parameter.int32Array(UserID.locks)])] : []
    let results = try await connection.pipeline([(RolloutSQL.settings, [])] + hold + [(statement, parameters)])
    guard let result = results.last else { throw PostgresError(.decoding, "a chunk has no result") }
    return result
  }

  /// A rollout as it was taken.
  private struct Work {
    let id: Int64
    let segment: Int64
    let slug: String
    let cursor: Int64
    let lastUser: Int64?
    let floor: Int32
    let to: Int32
    let adopts: Bool
    let releases: Bool
    let actor: String
    let requestID: String?
    let createdAt: Timestamp

    /// Columns of `RolloutSQL.take`.
    init(_ result: PostgresResult) throws {
      id = try result.int64(0, 0)
      segment = try result.int64(0, 1)
      slug = try result.text(0, 2)
      cursor = try result.int64(0, 3)
      lastUser = try result.optionalInt64(0, 4)
      floor = try result.int32(0, 5)
      to = try result.int32(0, 6)
      adopts = try result.bool(0, 7)
      releases = try result.bool(0, 8)
      actor = try result.text(0, 9)
      requestID = try result.optionalText(0, 10)
      createdAt = try result.timestamp(0, 11)
    }

    /// What it has to go through; nil for nothing.
    var kind: Kind? { floor < to ? .users : adopts || releases ? .members : nil }

    /// Of `RolloutChunkSQL`.
    func parameters(upTo last: Int64, _ size: Int) -> [Parameter] {
      [
        .int64(segment), .int64(cursor), .int64(last), .int64(Int64(size)), .int32(floor), .int32(to), .bool(adopts),
        .bool(releases), .text(slug), .text(actor), .optionalText(requestID), .int64(id),
        .timestamp(createdAt),
      ]
    }
  }
}
