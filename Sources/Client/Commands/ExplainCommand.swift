import ArgumentParser
import Proto

struct ExplainCommand: ClientCommand {
  static let configuration = CommandConfiguration(
    commandName: "explain", abstract: "Tell why a user is or was in a segment, or not.",
    discussion: """
      segctl explain 42 BETA
      segctl explain 42 BETA --at 2026-05-01T12:00:00Z -o json
      """)

  @Argument(help: "A positive number.")
  var id: Int64
  @Argument(help: "A slug, or id:NUMBER. A slug means the segment that had it then, or has it now, or had it last.")
  var segment: SegmentArgument
  @Option(help: ArgumentHelp("At this instant or date in the past instead of now.", valueName: "instant"))
  var at: InstantArgument?
  @OptionGroup var output: OutputOptions
  @OptionGroup var connectionOptions: ConnectionOptions

  func run(on connection: Connection) async throws -> ExitStatus {
    let response = try await connection.unary(
      MembershipService.Methods.explainMembership,
      ExplainMembershipRequest(userID: id, segment: segment.selector, asOf: at?.timestamp))
    let document = ExplanationDocument(response, userID: id)
    let standardOutput = OutputFile.standardOutput(on: connection.loop)
    if output.format == .table {
      try await standardOutput.write(Array("\(Text.printable(response.explanation))\n".utf8))
      try await standardOutput.finish()
    } else {
      try await output.format.print(one: document, rows: document.records, to: standardOutput)
    }
    return .success
  }
}
