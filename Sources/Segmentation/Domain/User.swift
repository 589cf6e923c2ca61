import Postgres

/// A user that somebody made known.
package struct User: Hashable, Sendable {
  package var id: UserID
  package var createdAt: Timestamp
}
