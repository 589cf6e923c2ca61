import ArgumentParser

/// A command that makes a call for each of some users, one after the other, and prints a row for each answer.
///
/// It ends at the first call that fails; the rows of those before are printed.
protocol EachUserCommand: ClientCommand {
  associatedtype Row: Record

  var ids: [String] { get }
  var output: OutputOptions { get }

  /// Makes the call for one user.
  /// - Throws: `RPCError`
  func row(for id: Int64, on connection: Connection) async throws -> Row
}

extension EachUserCommand {
  func validate() throws { try UserIDs.check(ids) }

  func run(on connection: Connection) async throws -> ExitStatus {
    var ids = try UserIDs(ids, on: connection.loop)
    try await output.format.print(Row.self, to: .standardOutput(on: connection.loop)) { printer in
      while let id = try await ids.next() { try await printer.print([row(for: id, on: connection)]) }
    }
    return .success
  }
}
