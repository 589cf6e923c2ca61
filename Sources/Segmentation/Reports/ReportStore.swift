import Postgres

/// Who makes a report: the directory that it goes to, and what its link begins with.
package struct ReportHolder: Hashable, Sendable {
  package let name: String
  package let baseURL: String

  package init(name: String, baseURL: String) {
    self.name = name
    self.baseURL = baseURL
  }
}

/// Keeps which reports there are and how far they have come; the files are somebody else's. One per loop, confined to it. All
/// methods throw `SegmentationError`.
package final class ReportStore: @unchecked Sendable {
  /// Reports that one holder may have at once.
  private static let most: Int64 = 1000

  private let pool: PostgresPool
  private let ledger: RequestLedger
  private var knownKey: [UInt8]?

  package init(pool: PostgresPool, settings: SegmentationSettings = SegmentationSettings()) {
    self.pool = pool
    ledger = RequestLedger(pool: pool, settings: settings)
  }

  /// Orders a report. The same request id again answers the same report, as it is then.
  /// - Throws: `tooManyReports` when the holder has as many as it may.
  package func create(
    _ order: ReportOrder, for holder: ReportHolder, by caller: Caller
  ) async throws(SegmentationError) -> Report {
    let parameters: [Parameter] = [
      .text(holder.name), .text(holder.baseURL), .int32(Int32(order.format.rawValue)), .bool(order.isPacked),
      .optionalTimestamp(order.from), .optionalTimestamp(order.until),
      order.users.map { .int64Array($0.map(\.number).sorted()) } ?? .null,
      order.segments.map { .int64Array($0.map(\.number).sorted()) } ?? .null,
      .int64(order.life.microseconds), .int64(Self.most), .int32(Int32(order.destination.rawValue)),
    ]
    let (id, _) = try await ledger.once(order.fingerprint, by: caller) { connection in
      let result = try await connection.query(ReportSQL.create, [.text(Self.makeID())] + parameters)
      guard result.rowCount > 0 else { throw SegmentationError.tooManyReports }
      return (try result.text(0, 0), nil as AuditPosition?)
    }
    return try await get(id, deadline: caller.deadline)
  }

  /// - Throws: `reportNotFound`, also for one that has expired.
  package func get(_ id: String, deadline: ContinuousClock.Instant?) async throws(SegmentationError) -> Report {
    let found = try await reports(ReportSQL.get, [.text(id)], deadline: deadline)
    guard let report = found.first else { throw .reportNotFound(id) }
    return report
  }

  /// Those that have not expired, oldest first.
  package func living(of holder: String) async throws(SegmentationError) -> [Report] {
    try await reports(ReportSQL.living, [.text(holder)])
  }

  /// Takes up the oldest report that the holder has to make; nil when there is none.
  /// - Parameter sent: The ids of those that are made and on their way to a bucket.
  package func take(of holder: String, but sent: [String] = []) async throws(SegmentationError) -> Report? {
    try await reports(ReportSQL.take, [.text(holder), .textArray(sent)]).first
  }

  /// Notes how far a report has come.
  package func note(
    _ id: String, _ state: ReportState, count: Int64 = 0, size: Int64 = 0, digest: [UInt8] = [], error: String = ""
  ) async throws(SegmentationError) {
    let parameters: [Parameter] = [
      .text(id), .int32(Int32(state.rawValue)), .int64(count), .int64(size), .bytes(digest), .text(error),
    ]
    _ = try await translating { try await pool.query(ReportSQL.note, parameters) }
  }

  /// Forgets the reports that have expired.
  package func forgetExpired(of holder: String) async throws(SegmentationError) {
    _ = try await translating { try await pool.query(ReportSQL.forget, [.text(holder)]) }
  }

  /// Some of those whose objects in a bucket are to be removed, oldest first; `remove` each one when that is done.
  /// - Parameter bucket: Its address.
  package func expired(of holder: String, in bucket: String, limit: Int) async throws(SegmentationError) -> [Report] {
    try await reports(ReportSQL.expiredInBucket, [.text(holder), .text(bucket), .int64(Int64(limit))])
  }

  /// Forgets a report.
  package func remove(_ id: String) async throws(SegmentationError) {
    _ = try await translating { try await pool.query(ReportSQL.remove, [.text(id)]) }
  }

  /// What links are signed with: the same for all instances on the database, and for ever.
  package func key(deadline: ContinuousClock.Instant? = nil) async throws(SegmentationError) -> [UInt8] {
    if let knownKey { return knownKey }
    let key = try await translating { try await pool.query(ReportSQL.key, [], deadline: deadline).bytes(0, 0) }
    knownKey = key
    return key
  }

  private func reports(
    _ statement: Statement, _ parameters: [Parameter], deadline: ContinuousClock.Instant? = nil
  ) async throws(SegmentationError) -> [Report] {
    try await translating {
      let result = try await pool.query(statement, parameters, deadline: deadline)
      return try (0..<result.rowCount).map { try Report(result, row: $0) }
    }
  }

  private static func makeID() -> String {
    var random = SystemRandomNumberGenerator()
    return Fingerprint.hex((0..<16).map { _ in UInt8.random(in: .min ... .max, using: &random) })
  }
}
