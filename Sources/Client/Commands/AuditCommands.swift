import ArgumentParser
import Proto

struct AuditCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "audit", abstract: "Read the audit log.",
    subcommands: [Stream.self, Verify.self, Consumers.self, ReportCommand.self])

  struct Stream: ClientCommand {
    static let configuration = CommandConfiguration(
      abstract: "Stream the audit log, from its beginning to its end now, or go on with what is written.",
      discussion: """
        Each record is written as it arrives. At the end segctl compares count and SHA-256 with what the server says it \
        sent, and exits with 3 when they differ. A FILE has its name only when it is whole; until then it is FILE.partial.

        A whole FILE has FILE.sha256 beside it, for segctl audit verify.

        With --consumer NAME the server is told once a second what has been written, and the next run under that name goes \
        on behind it, wherever it runs. What was written in the last second before a crash comes again.

        With --follow segctl goes on until Ctrl-C or --to, through restarts of the server; a FILE is written in place. With \
        --resume the same command again goes on where an earlier one ended, in whatever way that was.

        segctl audit stream --user 42 --from 2026-05-01 -o jsonl
        segctl audit stream --output audit.csv
        segctl audit stream --follow --from now --output live.jsonl -o jsonl --resume
        """)

    /// About how much the server puts into a message, in bytes: its records still fit the first chunk of memory for unpacking.
    private static let batchBytes: Int32 = 48 << 10

    @Option(help: ArgumentHelp("Only this user. Repeatable.", valueName: "id"))
    var user: [Int64] = []
    @Option(help: ArgumentHelp("Only this segment: a slug, or id:NUMBER. Repeatable.", valueName: "segment"))
    var segment: [SegmentArgument] = []
    @Option(help: "Only this action. Repeatable.")
    var action: [ActionArgument] = []
    @Option(help: "Only this cause. Repeatable.")
    var cause: [CauseArgument] = []
    @Option(help: ArgumentHelp("From this instant or date on, or from 'now' on.", valueName: "instant"))
    var from: StartArgument?
    @Option(help: ArgumentHelp("Up to this instant or date, without it.", valueName: "instant"))
    var to: InstantArgument?
    @Option(name: [.customShort("o"), .customLong("format")], help: "How to print.")
    var format = AuditFormat.csv
    @Option(help: ArgumentHelp("Write here instead of to standard output.", valueName: "file"), completion: .file())
    var output: String?
    @Flag(help: "Go on with what is written from now on, through restarts of the server.")
    var follow = false
    @Flag(help: "Go on with the FILE of an earlier run, from FILE.checkpoint.")
    var resume = false
    @Option(
      help: ArgumentHelp(
        "Read under this name: the server keeps how far it has come, and goes on from there next time.",
        valueName: "name"))
    var consumer = ""
    @Flag(help: "Let the server compress what it sends, for a slow line; what is written is the same.")
    var compress = false
    @OptionGroup var connectionOptions: ConnectionOptions

    func validate() throws {
      if case .startTime(let start) = from?.start, let end = to?.timestamp,
        (end.seconds, end.nanos) < (start.seconds, start.nanos)
      {
        throw ValidationError("--to is before --from")
      }
      guard resume else { return }
      guard output ?? "-" != "-" else { throw ValidationError("--resume needs --output FILE") }
      guard format != .table else { throw ValidationError("--resume needs csv or jsonl: a table is for people") }
    }

    func run(on connection: Connection) async throws -> ExitStatus {
      let (file, checkpoints) = try destination(on: connection)
      let export = try AuditExport(
        format, to: file ?? .standardOutput(on: connection.loop), checkpoints: checkpoints,
        checksumBeside: checksummed, consumer: consumer, compresses: compress, showsProgress: file != nil)
      try await export.run(request, on: connection)
      return .success
    }

    /// The file that gets a checksum: a table is for people, and a pipe has nothing beside it.
    private var checksummed: String? {
      guard let output, output != "-", format != .table, AuditChecksum.isPossible(for: output) else { return nil }
      return output
    }

    private func destination(on connection: Connection) throws -> (OutputFile?, AuditCheckpoints?) {
      guard let output, output != "-" else { return (nil, nil) }
      guard resume else {
        if follow, checksummed != nil { AuditChecksum.remove(beside: output) }
        return (
          follow
            ? try OutputFile.replacing(output, on: connection.loop)
            : try OutputFile.creating(output, on: connection.loop), nil
        )
      }
      let checkpoints = try AuditCheckpoints(of: output, isInPlace: follow, request, format)
      return (try checkpoints.open(on: connection.loop), checkpoints)
    }

    private var request: StreamAuditRequest {
      StreamAuditRequest(
        userIDs: user, segments: segment.map(\.selector), actions: action.map(\.value), causes: cause.map(\.value),
        start: from?.start, end: to.map { .endTime($0.timestamp) },
        follow: follow, maxBatchBytes: Self.batchBytes, consumer: consumer)
    }
  }
}
