/// A statement that each connection prepares once, when it first needs it, under its name.
package struct Statement: Hashable, Sendable {
  /// How the server finds the way to go about it.
  package enum Planning: Hashable, Sendable {
    /// As it thinks best: often anew at each call, for the parameters of that call.
    case automatic
    /// Once for a connection, until a table is analysed: by the indexes, row by row, whatever the statistics say. For statements
    /// that look up what their parameters name, and for which planning would cost more than that.
    case once
    /// Anew at each call. For large parameters, about which a plan for any parameters would be wrong.
    case anew
  }

  /// Unique among the statements of the program; it also stands in errors and in the server's own views.
  package let name: String
  package let planning: Planning
  package let sql: String

  package init(_ name: String, planning: Planning = .automatic, _ sql: String) {
    self.name = name
    self.planning = planning
    self.sql = sql
  }
}
