import Metrics

/// What one loop has counted of the domain's work. Confined to its loop.
package final class SegmentationStatistics: @unchecked Sendable {
  /// Rows of imports by what became of them, without those of validations.
  var imported = ImportSummary()
  /// Memberships that sweeps have ended.
  var swept: Int64 = 0
  /// By how long the last sweep was behind: how long the oldest of the memberships that it ended had expired. Seconds.
  var sweepLag = 0.0
  var failedSweeps: Int64 = 0
  /// When the last sweep succeeded: seconds since 1970 by the database's clock, 0 when none has.
  var lastSweep = 0.0
  /// Months of the audit log that retention has dropped.
  var droppedPartitions: Int64 = 0
  /// How far running transactions hold back the audit log's readers; nil on loops that do not look.
  package internal(set) var hold: AuditHold?
  /// Users and members that chunks of rollouts and deletions went through, by `RolloutChunk.Kind`.
  var rolledRows = [Int64](repeating: 0, count: RolloutChunk.Kind.allCases.count)
  var rolledChunks = [Int64](repeating: 0, count: RolloutChunk.Kind.allCases.count)
  var failedRollouts: Int64 = 0

  package init() {}

  func rolled(_ chunk: RolloutChunk) {
    rolledRows[chunk.kind.rawValue] += Int64(chunk.rows)
    rolledChunks[chunk.kind.rawValue] += 1
  }
}

private enum Families {
  static let imported = MetricFamily(
    "segmentd_import_rows_total", .counter, "Rows of imports, by what became of them")
  static let swept = MetricFamily(
    "segmentd_sweeper_swept_total", .counter, "Expired memberships that were written to the audit log")
  static let lag = MetricFamily(
    "segmentd_sweeper_lag_seconds", .gauge,
    "How long the oldest membership of the last sweep had been expired; 0 when there was none", merging: .most)
  static let failed = MetricFamily("segmentd_sweeper_failures_total", .counter, "Sweeps that failed")
  static let last = MetricFamily(
    "segmentd_sweeper_last_success_timestamp_seconds", .gauge, "When a sweep last succeeded, as a Unix time",
    merging: .most)
  static let dropped = MetricFamily(
    "segmentd_audit_partitions_dropped_total", .counter, "Months of the audit log that retention has dropped")
  static let holdTime = MetricFamily(
    "segmentd_audit_held_seconds", .gauge,
    "How long the oldest transaction has run that holds back the readers of the audit log; 0 when none does",
    merging: .most)
  static let holdCount = MetricFamily(
    "segmentd_audit_held_transactions", .gauge,
    "Transactions from that one to the youngest that has ended", merging: .most)
  static let rolledRows = MetricFamily(
    "segmentd_rollout_rows_total", .counter,
    "Users and members that changes of outreach and deletions of segments went through")
  static let rolledChunks = MetricFamily(
    "segmentd_rollout_chunks_total", .counter, "Transactions of changes of outreach and deletions of segments")
  static let failedRollouts = MetricFamily(
    "segmentd_rollout_failures_total", .counter, "Times that rollouts could not go on and were tried again later")
}

extension SegmentationStatistics {
  package func collect(into set: inout MetricSet) {
    let rows: [(String, Int64)] = [
      ("assigned", imported.assigned), ("renewed", imported.renewed), ("already_present", imported.alreadyPresent),
      ("rejected", imported.rejected), ("users_only", imported.usersOnly),
    ]
    for (outcome, count) in rows { set.add(Families.imported, count, ["outcome": outcome]) }
    set.add(Families.swept, swept)
    set.add(Families.lag, sweepLag)
    set.add(Families.failed, failedSweeps)
    set.add(Families.last, lastSweep)
    set.add(Families.dropped, droppedPartitions)
    if let hold {
      set.add(Families.holdTime, hold.seconds)
      set.add(Families.holdCount, hold.transactions)
    }
    for kind in RolloutChunk.Kind.allCases {
      set.add(Families.rolledRows, rolledRows[kind.rawValue], ["kind": "\(kind)"])
      set.add(Families.rolledChunks, rolledChunks[kind.rawValue], ["kind": "\(kind)"])
    }
    set.add(Families.failedRollouts, failedRollouts)
  }
}
