import ArgumentParser
import Proto

struct AuditCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "audit", abstract: "Read the audit log.", subcommands: [Stream.self])

  struct Stream: ClientCommand {
    static let configuration = CommandConfiguration(
      abstract: "Stream the audit log, from its beginning to its end now.",
      discussion: """
        Each record is written as it arrives. At the end segctl compares count and SHA-256 with what the server says it \
        sent, and exits with 3 when they differ. A FILE has its name only when it is whole; until then it is FILE.partial.
        """)

    /// About how much the server puts into a message.
    private static let batchBytes: Int32 = 256 << 10

    @Option(help: ArgumentHelp("Only this user. Repeatable.", valueName: "id"))
    var user: [Int64] = []
    @Option(help: ArgumentHelp("Only this segment: a slug, or id:NUMBER. Repeatable.", valueName: "segment"))
    var segment: [SegmentArgument] = []
    @Option(help: "Only this action. Repeatable.")
    var action: [ActionArgument] = []
    @Option(help: "Only this cause. Repeatable.")
    var cause: [CauseArgument] = []
    @Option(help: ArgumentHelp("From this instant or date on.", valueName: "instant"))
    var from: InstantArgument?
    @Option(help: ArgumentHelp("Up to this instant or date, without it.", valueName: "instant"))
    var to: InstantArgument?
    @Option(name: [.customShort("o"), .customLong("format")], help: "How to print.")
    var format = AuditFormat.csv
    @Option(help: ArgumentHelp("Write here instead of to standard output.", valueName: "file"), completion: .file())
    var output: String?
    @OptionGroup var connectionOptions: ConnectionOptions

    func run(on connection: Connection) async throws -> ExitStatus {
      let path = output == "-" ? nil : output
      let file = try path.map { try OutputFile.creating($0, on: connection.loop) }
      let export = try AuditExport(
        format, to: file ?? .standardOutput(on: connection.loop), showsProgress: file != nil)
      try await export.run(request, on: connection)
      return .success
    }

    private var request: StreamAuditRequest {
      StreamAuditRequest(
        userIDs: user, segments: segment.map(\.selector), actions: action.map(\.value), causes: cause.map(\.value),
        start: from.map { .startTime($0.timestamp) }, end: to.map { .endTime($0.timestamp) },
        maxBatchBytes: Self.batchBytes)
    }
  }
}
