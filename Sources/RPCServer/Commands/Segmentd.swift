import ArgumentParser

/// The command line of the server.
@main
struct Segmentd: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "segmentd",
    abstract: "Keeps which user is in which segment, and answers over gRPC.",
    discussion: """
      Settings come from flags, then the environment (SEGMENTD_*), then the file .env, then defaults.
      Exit codes: 0 done, 1 failed (of `audit check`: there are differences), 64 wrong usage, 69 something it needs is not available (an address in use, the \
      database), 78 a setting that cannot be used.
      """,
    version: version,
    subcommands: [Serve.self, Migrate.self, Audit.self],
    defaultSubcommand: nil)

  static let version = "0.1.0"
}
