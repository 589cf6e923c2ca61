import Postgres

/// Some of a list in the order of its keys, read at one instant.
package struct KeysetChunk<Item: Sendable>: Sendable {
  package let items: [Item]
  /// By the database's clock; nil when there is nothing.
  package let readAt: Timestamp?

  package static var empty: KeysetChunk { KeysetChunk(items: [], readAt: nil) }
}
