/// A statement that each connection prepares once, when it first needs it, under its name.
package struct Statement: Hashable, Sendable {
  /// Unique among the statements of the program; it also stands in errors and in the server's own views.
  package let name: String
  package let sql: String

  package init(_ name: String, _ sql: String) {
    self.name = name
    self.sql = sql
  }
}
