/// What a NOTIFY sent to those who LISTEN.
package struct PostgresNotification: Hashable, Sendable {
  package let channel: String
  package let payload: String
}
