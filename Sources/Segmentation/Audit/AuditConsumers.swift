import Postgres

/// A reader of the audit log that has a name, and how far it is behind.
package struct AuditConsumer: Hashable, Sendable {
  package let name: String
  /// What it has acknowledged; nil for nothing.
  package let token: AuditToken?
  /// When it last acknowledged or read.
  package let updatedAt: Timestamp
  /// Records that are written and not acknowledged: exact up to `AuditConsumers.exactLag`, beyond that as many as sequence numbers were
  /// given out, which is a little more.
  package let lagRecords: Int64
  /// How long ago the oldest of them was written, in microseconds; 0 when there is none.
  package let lagMicroseconds: Int64
  /// On all servers.
  package let openStreams: Int32
}

/// One page of consumers.
package struct AuditConsumerPage: Sendable {
  package let consumers: [AuditConsumer]
  /// The token of the next page; empty on the last.
  package let next: String
}

/// The named consumers of the audit log. One per loop, confined to it. All methods throw `SegmentationError`.
package final class AuditConsumers: @unchecked Sendable {
  /// Up to how many records a lag is counted.
  package static let exactLag: Int64 = 100_000
  /// How often a stream that is open is to be renewed.
  package static let renewal = Duration.seconds(10)

  private let pool: PostgresPool
  private let installation: Installation

  package init(pool: PostgresPool, installation: Installation) {
    self.pool = pool
    self.installation = installation
  }

  // MARK: Streams

  /// Opens a stream under a name, which is known from then on.
  /// - Parameter stream: Chosen by the caller, unique: 32 hexadecimal digits.
  /// - Returns: What the consumer has acknowledged; nil when nothing.
  package func open(
    _ consumer: ConsumerName, stream: String, deadline: ContinuousClock.Instant? = nil
  ) async throws(SegmentationError) -> AuditPosition? {
    try await translating {
      let result = try await pool.query(
        AuditConsumerSQL.open, [.text(consumer.text), .text(stream)], deadline: deadline)
      return try AuditPosition(result, row: 0, column: 0)
    }
  }

  /// The stream is still open.
  package func renew(_ consumer: ConsumerName, stream: String) async throws(SegmentationError) {
    _ = try await translating {
      try await pool.query(AuditConsumerSQL.renew, [.text(consumer.text), .text(stream)])
    }
  }

  package func close(stream: String) async throws(SegmentationError) {
    _ = try await translating { try await pool.query(AuditConsumerSQL.close, [.text(stream)]) }
  }

  // MARK: Consumers

  /// Notes how far a consumer has read, unless it has read further already. The consumer is known from then on.
  /// - Throws: `invalid` for a token of another database.
  package func acknowledge(
    _ consumer: ConsumerName, _ token: AuditToken, by caller: Caller
  ) async throws(SegmentationError) -> AuditConsumer {
    let identity = try await installation.refreshedIdentity(deadline: caller.deadline)
    let position = try token.position(in: identity)
    return try await translating {
      _ = try await pool.query(
        AuditConsumerSQL.acknowledge,
        [.text(consumer.text), .int32(position.era), .int64(position.xid), .int64(position.sequence)],
        deadline: caller.deadline)
      let result = try await pool.query(
        AuditConsumerSQL.list, [.text(consumer.text), .null, .int64(1), .int64(Self.exactLag)],
        deadline: caller.deadline)
      // Somebody may have deleted it at once.
      guard result.rowCount > 0 else { throw SegmentationError.consumerNotFound(consumer) }
      return try AuditConsumer(result, row: 0, identity)
    }
  }

  /// One page, ordered by name.
  /// - Parameter token: `AuditConsumerPage.next` of the page before; empty for the first.
  /// - Throws: `invalid` for a token that is none.
  package func list(
    size: PageSize, token: String = "", by caller: Caller
  ) async throws(SegmentationError) -> AuditConsumerPage {
    let after = try Self.lastName(token)
    let identity = try await installation.identity(deadline: caller.deadline)
    return try await translating {
      let result = try await pool.query(
        AuditConsumerSQL.list, [.null, .text(after), .int64(Int64(size.count) + 1), .int64(Self.exactLag)],
        deadline: caller.deadline)
      let consumers = try (0..<min(result.rowCount, size.count)).map {
        try AuditConsumer(result, row: $0, identity)
      }
      let next = result.rowCount > size.count ? consumers.last.map { Self.pageToken($0.name) } : nil
      return AuditConsumerPage(consumers: consumers, next: next ?? "")
    }
  }

  /// Forgets a consumer, and what it has acknowledged.
  /// - Throws: `consumerNotFound` unless that is allowed.
  package func delete(
    _ consumer: ConsumerName, allowMissing: Bool = false, by caller: Caller
  ) async throws(SegmentationError) {
    let isFound = try await translating {
      try await pool.query(AuditConsumerSQL.delete, [.text(consumer.text)], deadline: caller.deadline).rowCount > 0
    }
    guard isFound || allowMissing else { throw .consumerNotFound(consumer) }
  }

  private static func pageToken(_ name: String) -> String { Base64URL.encode(Array("c1\n\(name)".utf8)) }

  private static func lastName(_ token: String) throws(SegmentationError) -> String {
    if token.isEmpty { return "" }
    guard let bytes = Base64URL.decode(token), let text = String(validating: bytes, as: UTF8.self),
      text.hasPrefix("c1\n")
    else { throw .invalid(field: "page_token", reason: "is not a page token") }
    return String(text.dropFirst(3))
  }
}

extension AuditConsumer {
  /// Columns: as `AuditConsumerSQL.list`.
  fileprivate init(_ result: PostgresResult, row: Int, _ identity: DatabaseIdentity) throws {
    self.init(
      name: try result.text(row, 0),
      token: try AuditPosition(result, row: row, column: 1).map { AuditToken(identity, $0) },
      updatedAt: try result.timestamp(row, 4), lagRecords: try result.int64(row, 5),
      lagMicroseconds: try result.int64(row, 6), openStreams: try result.int32(row, 7))
  }
}
