import ArgumentParser

/// The command line of segmentd.
@main
struct Segctl: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "segctl",
    abstract: "Keeps which user is in which segment, on a segmentd server.",
    usage: "segctl <command> [<options>]",
    discussion: """
      A SEGMENT is a slug, or id:NUMBER. An INSTANT is RFC 3339, such as 2026-05-01T12:00:00Z, or a date alone, which \
      means its midnight in UTC. A DURATION is 500ms, 90s, 30m, 12h, 7d, 2w or a sum such as 1d12h.

      The connection options come from flags, then from the environment (SEGCTL_ADDRESS, SEGCTL_TIMEOUT, ...), then from the \
      same names in the file .env.

      Exit codes: 0 done, 1 no (user check), 2 an import rejected some lines, 3 an export is not what the server sent, \
      4 not found, 5 exists already, 6 invalid argument, 7 failed precondition, 8 deadline exceeded, 64 wrong usage, \
      69 no server, 70 the server failed, 75 try again later; docs/segctl.md has them all.

      Shell completion: segctl --generate-completion-script bash|zsh|fish
      """,
    version: "segctl \(Version.current)",
    subcommands: [
      SegmentCommand.self, UserCommand.self, ExplainCommand.self, ImportCommand.self, AuditCommand.self,
      HealthCommand.self, VersionCommand.self,
    ])

  /// Here too, so that they may stand before the command's name; the command gets what they hold.
  @OptionGroup(title: "Connection options, which every command takes") var connectionOptions: ConnectionOptions

  static func main() {
    do {
      var command = try parseAsRoot()
      try command.run()
    } catch {
      let unknown = UnknownCommand(in: CommandLine.arguments.dropFirst(), of: Self.self, message: message(for: error))
      exit(withError: unknown.map { ValidationError($0.description) } ?? error)
    }
  }
}

/// The version of segctl.
enum Version {
  static let current = "0.1.0"
}
