import ArgumentParser
import Proto

struct SegmentCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "segment", abstract: "Create, look at, change and delete segments.",
    subcommands: [
      Create.self, Get.self, List.self, Members.self, Update.self, ShowRollout.self, Delete.self,
    ])

  struct Create: ClientCommand {
    static let configuration = CommandConfiguration(
      abstract: "Create a segment.",
      discussion: """
        With --outreach, that fraction of all users is brought in, in the background for those that are there: see segctl \
        segment rollout.

        segctl segment create BETA --description "search"
        segctl segment create SALE --outreach 0.1
        """)

    @Argument(help: "1 to 128 of A-Z a-z 0-9 _ . -; begins with a letter or digit.")
    var slug: String
    @Option(help: ArgumentHelp("The fraction of all users to bring in, 0 to 1.", valueName: "fraction"))
    var outreach = 0.0
    @Option(help: ArgumentHelp("What it is for, to people.", valueName: "text"))
    var description = ""
    @OptionGroup var change: ChangeOptions
    @OptionGroup var output: OutputOptions
    @OptionGroup var connectionOptions: ConnectionOptions

    func run(on connection: Connection) async throws -> ExitStatus {
      let response = try await connection.unary(
        SegmentService.Methods.createSegment,
        CreateSegmentRequest(
          slug: slug, description: description, outreach: outreach, requestID: change.requestID,
          validateOnly: change.validateOnly))
      let segment = SegmentRecord(response.segment ?? .init(), rollout: response.rollout)
      try await output.format.print(one: segment, to: .standardOutput(on: connection.loop))
      return .success
    }
  }

  struct Get: ClientCommand {
    static let configuration = CommandConfiguration(
      abstract: "Show a segment.", discussion: "segctl segment get BETA --full")

    @Argument(help: "A slug, or id:NUMBER.")
    var segment: SegmentArgument
    @Flag(help: "Count its members and show an unfinished rollout too.")
    var full = false
    @OptionGroup var output: OutputOptions
    @OptionGroup var connectionOptions: ConnectionOptions

    func run(on connection: Connection) async throws -> ExitStatus {
      let response = try await connection.unary(
        SegmentService.Methods.getSegment,
        GetSegmentRequest(segment: segment.selector, view: full ? .full : .basic))
      let segment = SegmentRecord(response.segment ?? .init(), isFull: full)
      try await output.format.print(one: segment, to: .standardOutput(on: connection.loop))
      return .success
    }
  }

  struct List: ClientCommand {
    static let configuration = CommandConfiguration(
      abstract: "List segments, ordered by slug.", discussion: "segctl segment list --prefix BETA_ --full")

    @Option(help: "Only slugs that begin with this.")
    var prefix = ""
    @Flag(help: "Count their members and show unfinished rollouts too.")
    var full = false
    @OptionGroup var output: OutputOptions
    @OptionGroup var connectionOptions: ConnectionOptions

    func run(on connection: Connection) async throws -> ExitStatus {
      var request = ListSegmentsRequest(pageSize: 1000, slugPrefix: prefix, view: full ? .full : .basic)
      try await output.format.print(SegmentRecord.self, to: .standardOutput(on: connection.loop)) { printer in
        repeat {
          let page = try await connection.unary(SegmentService.Methods.listSegments, request)
          try await printer.print(page.segments.map { SegmentRecord($0, isFull: full) })
          request.pageToken = page.nextPageToken
        } while !request.pageToken.isEmpty
      }
      return .success
    }
  }

  struct Members: ClientCommand {
    static let configuration = CommandConfiguration(
      abstract: "List a segment's members, ordered by user, now or as they were.",
      discussion: """
        segctl segment members BETA -o csv > beta.csv
        segctl segment members BETA --as-of 2026-05-01 --limit 10
        """)

    @Argument(help: "A slug, or id:NUMBER.")
    var segment: SegmentArgument
    @OptionGroup var range: StreamRange
    @OptionGroup var past: PastOptions
    @OptionGroup var output: OutputOptions
    @OptionGroup var connectionOptions: ConnectionOptions

    func run(on connection: Connection) async throws -> ExitStatus {
      let request = ListSegmentMembersRequest(
        segment: segment.selector, view: .full, startAfterUserID: range.after, limit: range.limit,
        asOf: past.asOf?.timestamp)
      try await output.format.print(MembershipRecord.self, to: .standardOutput(on: connection.loop)) { printer in
        try await connection.stream(SegmentService.Methods.listSegmentMembers, request) { response in
          try await printer.print(response.memberships.map { MembershipRecord($0, userID: $0.userID) })
        }
      }
      return .success
    }
  }

  struct Delete: ClientCommand {
    static let configuration = CommandConfiguration(
      abstract: "Delete a segment and deprive its members.",
      discussion: """
        It is gone at once, whatever its size; the audit log gets a record for each member, in the background.

        segctl segment delete TRIAL
        """)

    @Argument(help: "A slug, or id:NUMBER.")
    var segment: SegmentArgument
    @Flag(help: "A segment that does not exist is no error.")
    var allowMissing = false
    @Option(help: ArgumentHelp("Only if the segment still has this etag (-o json shows it).", valueName: "etag"))
    var etag = ""
    @OptionGroup var change: ChangeOptions
    @OptionGroup var output: OutputOptions
    @OptionGroup var connectionOptions: ConnectionOptions

    func run(on connection: Connection) async throws -> ExitStatus {
      let response = try await connection.unary(
        SegmentService.Methods.deleteSegment,
        DeleteSegmentRequest(
          segment: segment.selector, etag: etag, allowMissing: allowMissing, requestID: change.requestID,
          validateOnly: change.validateOnly))
      let rows = response.segment.map { [SegmentRecord($0)] } ?? []
      try await output.format.print(rows, to: .standardOutput(on: connection.loop))
      return .success
    }
  }
}
