import ArgumentParser

/// `segmentd serve`
struct Serve: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Answers calls until it is told to stop.",
    discussion: """
      Without --database it makes and starts a private PostgreSQL in --data-dir. With --database it uses that one, which \
      `segmentd migrate up` must have prepared.
      """)

  @OptionGroup var flags: ServeFlags

  func run() async throws {
    try await CommandFailure.reporting {
      let settings = try await Settings.resolve(flags.given)
      try await ServerProcess(settings).run()
    }
  }
}
