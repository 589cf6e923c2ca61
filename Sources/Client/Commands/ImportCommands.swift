import ArgumentParser
import Proto

struct ImportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "import", abstract: "Import memberships from files.", subcommands: [Memberships.self])

  struct Memberships: ClientCommand {
    static let configuration = CommandConfiguration(
      abstract: "Put users into segments, as a CSV file says.",
      discussion: """
        The file begins with the header user_id,segment_slug[,expires_at]; an expiry is RFC 3339, an empty slug only \
        makes the user known. A line that cannot be imported goes to the file of rejects with its number and the reason, \
        and the import goes on; it then exits with 2. Importing a file again is safe.

        segctl import memberships memberships.csv --create-users --create-segments
        zcat memberships.csv.gz | segctl import memberships -
        """)

    @Argument(help: "The CSV file; - for standard input.", completion: .file())
    var file: String
    @Flag(help: "Make users known that are not; else their lines are rejected.")
    var createUsers = false
    @Flag(help: "Create segments that do not exist; else their lines are rejected.")
    var createSegments = false
    @Option(
      help: ArgumentHelp(
        "When a user is in the segment already: reject the line, keep the expiry, or replace it.", valueName: "policy"))
    var ifPresent = IfPresent.keep
    @Option(
      help: ArgumentHelp("Where rejected lines go (default: FILE.rejects, or stdin.rejects).", valueName: "file"),
      completion: .file())
    var rejects: String?
    @OptionGroup var change: ChangeOptions
    @OptionGroup var output: OutputOptions
    @OptionGroup var connectionOptions: ConnectionOptions

    func run(on connection: Connection) async throws -> ExitStatus {
      let input = try InputFile(file, on: connection.loop)
      let rejects = try RejectsFile(
        rejects ?? (file == "-" ? "stdin" : file) + ".rejects", of: input, on: connection.loop)
      let options = ImportOptions(
        createUsers: createUsers, createSegments: createSegments, presentPolicy: ifPresent.policy,
        maxRejections: Int32(MembershipImport.sectionLimit), requestID: change.requestID,
        validateOnly: change.validateOnly)
      let importing = MembershipImport(input, options, rejects: rejects, connection: connection)
      do { try await importing.run() } catch {
        if importing.hasBegun {
          StandardError.line(
            "the import ended early; lines up to \(importing.settledLines) are imported, and importing all again is safe"
          )
        }
        throw error
      }
      try await rejects.finish()
      try await output.format.print(one: importing.summary, to: .standardOutput(on: connection.loop))
      return rejects.count == 0 ? .success : .partialImport
    }
  }
}
