import Postgres

/// What a look at the log's end found.
package struct AuditTip: Sendable {
  package let identity: DatabaseIdentity
  /// As far as can be read.
  package let end: AuditPosition
  /// The oldest transaction that ran; all below have ended.
  package let oldest: Int64
  /// The first transaction that had not begun. When `oldest` has come here, all that ran at the look can be read.
  package let next: Int64
  /// By the database's clock.
  package let time: Timestamp
  /// Nil while all is kept.
  package let floor: AuditFloor?

  package var bound: AuditBound { AuditBound(identity: identity, end: end, isComplete: oldest == next, floor: floor) }

  /// What `AuditStore.horizon` answered.
  init(_ identity: DatabaseIdentity, _ result: PostgresResult) throws {
    guard result.rowCount == 1 else { throw SegmentationError.schemaMismatch("segmentd.installation is empty") }
    self.identity = identity
    oldest = try result.int64(0, 0)
    next = try result.int64(0, 1)
    time = try result.timestamp(0, 2)
    floor = try AuditFloor(result, row: 0, column: 3)
    end = AuditPosition(era: identity.era, xid: oldest - 1, sequence: .max)
  }
}

/// How far a bounded reading goes, and in which database.
package struct AuditBound: Sendable {
  package let identity: DatabaseIdentity
  /// The last position that is read.
  package let end: AuditPosition
  /// Whether every change that was acknowledged before the reading began lies before the end. False only when a
  /// transaction ran for longer than the reading waits.
  package let isComplete: Bool
  /// How far back the log reached then; nil while all is kept.
  package let floor: AuditFloor?

  package init(identity: DatabaseIdentity, end: AuditPosition, isComplete: Bool, floor: AuditFloor?) {
    self.identity = identity
    self.end = end
    self.isComplete = isComplete
    self.floor = floor
  }

  /// The same, but not beyond `position`.
  package func ending(at position: AuditPosition) -> AuditBound {
    AuditBound(identity: identity, end: min(end, position), isComplete: isComplete, floor: floor)
  }
}

/// How far a reading of the log has come.
package struct AuditScan: Sendable {
  /// The records that were handed over.
  package private(set) var count = 0
  /// Where to go on: all up to here has been looked at.
  package private(set) var position: AuditPosition
  /// Whether there is nothing more up to the bound.
  package fileprivate(set) var isComplete = false
  /// Whether the next reading had better go through the log piece by piece: what is wanted is rare.
  package fileprivate(set) var goesInPieces = false
  /// Segments whose slugs are not known: from the first record of one on nothing is handed over.
  fileprivate(set) var unknown: Set<Int64> = []

  package init(position: AuditPosition) {
    self.position = position
  }

  /// Everything up to here has been looked at.
  fileprivate mutating func passed(_ end: AuditPosition) {
    position = max(position, end)
  }

  fileprivate mutating func take(_ outcome: AuditRowReader.Outcome, _ body: (AuditRow) -> Void) {
    switch outcome {
    case .unknownSegment(let id): unknown.insert(id)
    case .row(let row):
      guard unknown.isEmpty else { return }
      count += 1
      position = row.position
      body(row)
    }
  }
}

/// Reads the audit log in its one total order. One per loop, confined to it. All methods throw `SegmentationError`.
///
/// Only what lies below the oldest transaction that still runs is read: nothing can appear there any more, so a reader
/// that goes on behind the last record it has seen misses nothing.
package final class AuditStore: @unchecked Sendable {
  let pool: PostgresPool
  private let installation: Installation
  private let settings: SegmentationSettings
  private let directory: SegmentDirectory
  private let reader: AuditRowReader
  private let pieces: AuditPieces

  /// The oldest transaction that runs, and the first one that had not ended: all below the former have.
  static let horizon = Statement(
    "audit_horizon",
    """
    SELECT pg_snapshot_xmin(s)::text::bigint, pg_snapshot_xmax(s)::text::bigint, clock_timestamp(), \(AuditFloor.columns)
    FROM pg_current_snapshot() AS s, segmentd.installation AS i
    """)

  static let floor = Statement(
    "audit_floor",
    """
    SELECT \(AuditFloor.columns) FROM segmentd.installation AS i
    """)

  private static let segments = Statement(
    "audit_segments",
    """
    SELECT id FROM segmentd.segments WHERE slug = ANY ($1)
    """)

  /// - Parameter directory: Of the loop; one of its own when nil.
  package init(
    pool: PostgresPool, installation: Installation, directory: SegmentDirectory? = nil,
    settings: SegmentationSettings = SegmentationSettings()
  ) {
    self.pool = pool
    let directory = directory ?? SegmentDirectory(pool: pool)
    self.directory = directory
    reader = AuditRowReader(directory)
    pieces = AuditPieces(pool: pool, records: settings.auditPieceRecords)
    self.installation = installation
    self.settings = settings
  }

  /// Fixes the end of a bounded reading: behind every change that is acknowledged now. Waits for the transactions that
  /// run now, at most `settings.auditSettleWait`.
  package func bound(deadline: ContinuousClock.Instant? = nil) async throws(SegmentationError) -> AuditBound {
    let identity = try await installation.refreshedIdentity(deadline: deadline)
    let patience = ContinuousClock.now + settings.auditSettleWait
    let start = try await horizon(identity, deadline: deadline)
    var now = start
    var pause = Duration.milliseconds(1)
    while now.oldest < start.next && ContinuousClock.now < patience {
      do { try await Task.sleep(for: pause) } catch { throw .cancelled }
      pause = min(pause * 2, .milliseconds(50))
      now = try await horizon(identity, deadline: deadline)
    }
    let end = min(now.oldest, start.next)
    return AuditBound(
      identity: identity, end: AuditPosition(era: identity.era, xid: end - 1, sequence: .max),
      isComplete: end == start.next, floor: now.floor)
  }

  /// As far as can be read at this instant, without waiting for anything.
  package func settled(deadline: ContinuousClock.Instant? = nil) async throws(SegmentationError) -> AuditBound {
    try await horizon(installation.identity(deadline: deadline), deadline: deadline).bound
  }

  /// The ids that a filter means: of a slug, every segment that ever had it.
  /// - Throws: `invalid` for more than `settings.maximumFilterEntries`.
  package func segments(
    named references: [SegmentReference], deadline: ContinuousClock.Instant? = nil
  ) async throws(SegmentationError) -> Set<SegmentID> {
    guard references.count <= settings.maximumFilterEntries else {
      throw .invalid(field: "segments", reason: "must have at most \(settings.maximumFilterEntries) entries")
    }
    var ids = Set(references.compactMap(\.idNumber).map(SegmentID.init(stored:)))
    let slugs = references.compactMap(\.slugText)
    guard !slugs.isEmpty else { return ids }
    let result = try await translating {
      try await pool.query(Self.segments, [.textArray(slugs)], deadline: deadline)
    }
    try await translating {
      for row in 0..<result.rowCount { ids.insert(SegmentID(stored: try result.int64(row, 0))) }
    }
    return ids
  }

  /// The next records behind `position`, in order, not beyond the bound. Fewer than `limit` means that there are no
  /// more.
  package func read(
    after position: AuditPosition, to bound: AuditBound, limit: Int, filter: AuditFilter = AuditFilter(),
    deadline: ContinuousClock.Instant? = nil
  ) async throws(SegmentationError) -> [AuditRecord] {
    var records: [AuditRecord] = []
    records.reserveCapacity(min(max(0, limit), 1024))
    var failure: (any Error)?
    var last = AuditScan(position: position)
    repeat {
      last = try await scan(
        after: last.position, to: bound, limit: limit - records.count, filter: filter, inPieces: last.goesInPieces,
        deadline: deadline
      ) { row in
        do { records.append(try AuditRecord(row, directory[row.segment], like: records.last)) } catch {
          failure = failure ?? error
        }
      }
      if let failure { throw SegmentationError(failure) }
    } while !last.isComplete && records.count < limit
    return records
  }

  /// Hands over the next rows behind `position`, in order, not beyond the bound, as fast as they come. Throws `auditDropped` when
  /// retention has dropped some of them since the bound was fixed.
  ///
  /// No statement looks at more of the log than it can within its time: where what the filter lets through is rare, a reading ends
  /// after a piece of the log, whether or not something was found there.
  /// - Parameter inPieces: What the reading before said (`goesInPieces`).
  /// - Returns: How many there were, and where to go on.
  package func scan(
    after position: AuditPosition, to bound: AuditBound, limit: Int, filter: AuditFilter = AuditFilter(),
    inPieces: Bool = false, deadline: ContinuousClock.Instant? = nil, _ body: (AuditRow) -> Void
  ) async throws(SegmentationError) -> AuditScan {
    try filter.check(settings)
    var scan = AuditScan(position: position)
    scan.goesInPieces = inPieces
    scan.isComplete = position >= bound.end
    guard limit > 0, !scan.isComplete else { return scan }
    return try await translating {
      let end = inPieces ? try await pieces.end(behind: position, bound, deadline: deadline) : bound.end
      // Once it is known that there is little to find, a piece may take the time of any statement.
      let isPatient = inPieces || !filter.mayBeRare
      let limited = ContinuousClock.now + settings.auditPatience
      let patience = isPatient ? deadline : min(deadline ?? limited, limited)
      do {
        try await copy(to: end, limit: limit, filter, deadline: patience, &scan, body)
        if scan.count < limit { scan.passed(end) }
        scan.isComplete = scan.count < limit && end == bound.end
        scan.goesInPieces = inPieces && scan.count < limit
      } catch let error as PostgresError where error.kind == .timedOut && !isPatient {
        if let deadline, deadline <= .now { throw error }
        scan.goesInPieces = true
      }
      try await checkKept(position, bound, filter, deadline: deadline)
      return scan
    }
  }

  /// Hands over what lies between the reading's position and the end.
  private func copy(
    to end: AuditPosition, limit: Int, _ filter: AuditFilter, deadline: ContinuousClock.Instant?,
    _ scan: inout AuditScan, _ body: (AuditRow) -> Void
  ) async throws {
    for era in max(1, scan.position.era)...max(1, end.era) {
      repeat {
        scan.unknown = []
        guard scan.count < limit else { return }
        let sql = Self.copy(era, after: scan.position, to: end, limit: limit - scan.count, filter)
        try await pool.withConnection(deadline: deadline) { connection in
          try await connection.copyOut(sql, rows: { bytes in scan.take(try reader.read(bytes, era: era), body) })
        }
        // New segments are rare: what lies behind the first record of one is read again.
        if !scan.unknown.isEmpty { try await directory.learn(scan.unknown, deadline: deadline) }
      } while !scan.unknown.isEmpty
    }
  }

  /// Reads one era. COPY takes no parameters; all that goes in is numbers.
  ///
  /// The era stands apart, because the planner guesses from the first column alone how much lies behind a position.
  /// What it knows of the newest records is always old, so it would sort all of them for each chunk: it must walk the
  /// index instead. A few users' records are better fetched and sorted.
  private static func copy(
    _ era: Int32, after position: AuditPosition, to end: AuditPosition, limit: Int, _ filter: AuditFilter
  ) -> String {
    var terms = ["era = \(era)"]
    if era == position.era { terms.append("(xid, sequence) > ('\(position.xid)'::xid8, \(position.sequence))") }
    if era == end.era { terms.append("(xid, sequence) <= ('\(end.xid)'::xid8, \(end.sequence))") }
    terms.append(filter.condition)
    return """
      \(filter.users == nil ? AuditPieces.inOrder : "")
      COPY (
        SELECT \(AuditRowReader.columns)
        FROM segmentd.audit
        WHERE \(terms.joined(separator: " AND "))
        ORDER BY xid, sequence
        LIMIT \(limit)
      ) TO STDOUT (FORMAT binary)
      """
  }

  private func horizon(
    _ identity: DatabaseIdentity, deadline: ContinuousClock.Instant?
  ) async throws(SegmentationError) -> AuditTip {
    try await translating { try AuditTip(identity, await pool.query(Self.horizon, [], deadline: deadline)) }
  }

  /// Makes sure that retention did not drop what was just read, or skipped for want of it.
  /// - Parameter position: That the reading went on behind.
  private func checkKept(
    _ position: AuditPosition, _ bound: AuditBound, _ filter: AuditFilter, deadline: ContinuousClock.Instant?
  ) async throws {
    let result = try await pool.query(Self.floor, [], deadline: deadline)
    guard let floor = try AuditFloor(result, row: 0, column: 0), floor != bound.floor, position < floor.position
    else { return }
    // What was dropped may have been of no interest.
    if let from = filter.from, from >= floor.keptSince { return }
    throw SegmentationError.auditDropped(earliest: AuditToken(bound.identity, floor.position).text)
  }
}
