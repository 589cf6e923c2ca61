import ArgumentParser

/// The command line of segmentd.
@main
struct Segctl: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "segctl",
    abstract: "Keeps which user is in which segment, on a segmentd server.",
    discussion: """
      A SEGMENT is a slug, or id:NUMBER. An instant is RFC 3339, such as 2026-05-01T12:00:00Z, or a date alone.
      Settings come from flags, then SEGCTL_ADDRESS, SEGCTL_TIMEOUT and SEGCTL_ACTOR in the environment, then the same \
      names in the file .env.
      Shell completion: segctl --generate-completion-script bash|zsh|fish
      """,
    version: "segctl \(Version.current)",
    subcommands: [
      SegmentCommand.self, UserCommand.self, ExplainCommand.self, ImportCommand.self, AuditCommand.self,
      HealthCommand.self, VersionCommand.self,
    ])

  /// Here too, so that they may stand before the command's name; the command gets what they hold.
  @OptionGroup var connectionOptions: ConnectionOptions
}

/// The version of segctl.
enum Version {
  static let current = "0.1.0"
}
