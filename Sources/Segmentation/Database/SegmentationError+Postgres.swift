import Postgres

extension SegmentationError {
  /// The one place where the database's words become the domain's.
  init(_ error: any Error) {
    switch error {
    case let error as SegmentationError: self = error
    case let error as PostgresError: self.init(error)
    case is CancellationError: self = .cancelled
    default: self = .internal(String(describing: type(of: error)))
    }
  }

  private init(_ error: PostgresError) {
    switch error.kind {
    case .connectionLost, .connectFailed: self = .unavailable
    case .poolExhausted(let retryAfter): self = .exhausted(retryAfter: retryAfter)
    case .timedOut: self = .deadlineExceeded
    case .cancelled: self = .cancelled
    case .server: self = Self.refused(error)
    case .decoding, .misuse: self = .internal(error.description)
    }
  }

  private static func refused(_ error: PostgresError) -> SegmentationError {
    switch error.sqlState {
    case .serializationFailure?, .deadlockDetected?: .aborted
    case .adminShutdown?, .crashShutdown?, .cannotConnectNow?, .tooManyConnections?, .readOnlyTransaction?:
      .unavailable
    case .queryCanceled?: .deadlineExceeded
    case .undefinedTable?, .undefinedColumn?, .undefinedFunction?, .invalidSchemaName?:
      .schemaMismatch("the database's schema is not what this program expects: \(error.description)")
    default: .internal(error.description)
    }
  }
}

extension SQLState {
  static let invalidSchemaName = SQLState(rawValue: "3F000")
}

/// Runs `body` and throws what it throws in the domain's words.
func translating<Output>(_ body: () async throws -> Output) async throws(SegmentationError) -> Output {
  do { return try await body() } catch { throw SegmentationError(error) }
}
