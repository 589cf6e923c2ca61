extension PostgresPool {
  /// How much a transaction sees of the others.
  package enum Isolation: Sendable {
    case readCommitted
    case repeatableRead
    case serializable
    /// A snapshot that stays the same, and nothing may be written.
    case readOnlySnapshot

    var beginning: String {
      switch self {
      case .readCommitted: "BEGIN ISOLATION LEVEL READ COMMITTED"
      case .repeatableRead: "BEGIN ISOLATION LEVEL REPEATABLE READ"
      case .serializable: "BEGIN ISOLATION LEVEL SERIALIZABLE"
      case .readOnlySnapshot: "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
      }
    }
  }
}
