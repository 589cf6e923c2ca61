/// The domain's limits. Each has a default that suits most.
package struct SegmentationSettings: Sendable {
  /// Segments to assign and to remove in one call.
  package var maximumItemsPerUpdate = 1000
  /// Users in one BatchGetUserSegments.
  package var maximumUsersPerBatch = 1000
  /// Users, and segments, in an audit filter.
  package var maximumFilterEntries = 1000
  /// Rows of an import that go to the database in one statement.
  package var importChunk = 5000
  /// Reading calls that share a query when so many wait; more of them only while more than four times as many do.
  package var minimumReadBatch = 32
  /// Calls that one query answers at most.
  package var maximumReadBatch = 512
  /// Calls that one statement changes the database for at most.
  package var maximumWriteBatch = 128
  /// How often a change is tried that others get in the way of.
  package var maximumAttempts = 20
  /// How long the answers to requests with an id are kept, at least.
  package var requestRetention = Duration.seconds(24 * 3600)
  /// Expired memberships that a sweep ends in one statement.
  package var sweepChunk = 2000
  /// How long one chunk of a rollout, or of a segment's deletion, is to take.
  package var rolloutChunk = Duration.milliseconds(100)
  /// How long an audit export waits for the transactions that were running when it began.
  package var auditSettleWait = Duration.seconds(5)
  /// How long one statement may look for the audit log's records that are wanted, before the log is gone through in pieces.
  var auditPatience = Duration.seconds(2)
  /// How many records a piece has.
  var auditPieceRecords: Int64 = 1_000_000
  /// How long a record of the audit log is kept at least; nil for ever.
  package var auditRetention: Duration?
  /// Months of the audit log that have their partition ahead of time.
  package var auditPartitionsAhead: Int32 = 3

  package init() {}
}
