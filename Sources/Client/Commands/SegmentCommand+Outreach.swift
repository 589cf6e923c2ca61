import ArgumentParser
import Proto

extension SegmentCommand {
  struct Update: ClientCommand {
    static let configuration = CommandConfiguration(
      abstract: "Change a segment's description or outreach.",
      discussion: """
        A change of outreach goes through the users in the background: see segctl segment rollout. A higher one keeps everybody \
        that is in; a lower one takes out those that outreach brought in and no longer covers.

        segctl segment update SALE --outreach 0.2
        """)

    @Argument(help: "A slug, or id:NUMBER.")
    var segment: SegmentArgument
    @Option(help: ArgumentHelp("The fraction of all users to have in, 0 to 1.", valueName: "fraction"))
    var outreach: Double?
    @Option(help: ArgumentHelp("What it is for, to people.", valueName: "text"))
    var description: String?
    @Option(
      help: ArgumentHelp("What outreach does with users that are in already by other means.", valueName: "policy"))
    var ifPresent = OutreachPresent.keep
    @Option(
      help: ArgumentHelp(
        "What a lower outreach does with members that it brought in and no longer covers.", valueName: "policy"))
    var uncovered = OutreachUncovered.release
    @Option(help: ArgumentHelp("Only if the segment still has this etag (-o json shows it).", valueName: "etag"))
    var etag = ""
    @OptionGroup var change: ChangeOptions
    @OptionGroup var output: OutputOptions
    @OptionGroup var connectionOptions: ConnectionOptions

    func validate() throws {
      guard outreach != nil || description != nil else {
        throw ValidationError("Nothing to change: give --outreach or --description.")
      }
    }

    func run(on connection: Connection) async throws -> ExitStatus {
      let paths = (description == nil ? [] : ["description"]) + (outreach == nil ? [] : ["outreach"])
      let response = try await connection.unary(
        SegmentService.Methods.updateSegment,
        UpdateSegmentRequest(
          segment: segment.selector, updateMask: ProtoFieldMask(paths: paths), description: description ?? "",
          outreach: outreach ?? 0, presentPolicy: ifPresent.policy, releasePolicy: uncovered.policy, etag: etag,
          requestID: change.requestID, validateOnly: change.validateOnly))
      let record = SegmentRecord(response.segment ?? .init(), rollout: response.rollout)
      try await output.format.print(one: record, to: .standardOutput(on: connection.loop))
      return .success
    }
  }

  struct ShowRollout: ClientCommand {
    static let configuration = CommandConfiguration(
      commandName: "rollout", abstract: "Show how far a segment's latest change of outreach has come.",
      discussion: """
        With --watch it waits for the end, through restarts of the server, with a progress bar when standard error is a terminal. \
        -o jsonl then prints a line for every step.

        segctl segment rollout SALE --watch
        """)

    @Argument(help: "A slug, or id:NUMBER.")
    var segment: SegmentArgument
    @Flag(help: "Wait until it is finished, and show the progress.")
    var watch = false
    @OptionGroup var output: OutputOptions
    @OptionGroup var connectionOptions: ConnectionOptions

    func run(on connection: Connection) async throws -> ExitStatus {
      let watching = RolloutWatch(segment.selector, on: connection, isLive: watch)
      try await output.format.print(RolloutRecord.self, to: .standardOutput(on: connection.loop)) { printer in
        let last = try await watching.run { rollout in
          if watch, output.format == .jsonl { try await printer.print([RolloutRecord(rollout)]) }
        }
        guard let last, !watch || output.format != .jsonl else { return }
        try await printer.print([RolloutRecord(last)])
      }
      return .success
    }
  }
}
