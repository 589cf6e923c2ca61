import ArgumentParser
import Postgres
import Segmentation

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// `segmentd audit`
struct Audit: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "audit", abstract: "Looks after the audit log.", subcommands: [Check.self])

  /// `segmentd audit check`
  struct Check: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Replays the audit log and compares it with the memberships.",
      discussion: """
        Each membership that is not as the log says is a line on standard output: somebody changed the tables past segmentd. \
        May run beside servers; without --database it looks at the private PostgreSQL of the server that runs in --data-dir, \
        or starts it. Exit codes: 0 no difference, 1 differences.
        """)

    @OptionGroup var flags: DatabaseFlags

    func run() async throws {
      let differences = Counter()
      try await CommandFailure.reporting {
        try await DatabaseSession.run(flags, besideServer: true) { pool in
          try await Migrator(pool: pool).requireCurrent()
          var progress = CheckProgress()
          let total = try await AuditCheck(pool: pool).run(
            onProgress: { progress.show($0) },
            onDifference: { difference in
              differences.count += 1
              Output.line("user \(difference.user), segment id:\(difference.segment): \(difference.kind.rawValue)")
            })
          progress.finish(total, differences: differences.count)
        }
      }
      if differences.count > 0 { throw ExitCode(1) }
    }
  }

  /// Counts on the command's loop, and is read when that has ended.
  private final class Counter: @unchecked Sendable {
    var count = 0
  }
}

/// Tells on standard error how far a check has come: on a terminal in place, else a line now and then.
private struct CheckProgress {
  private static let terminalInterval = Duration.milliseconds(200)
  private static let lineInterval = Duration.seconds(10)

  private let isTerminal = isatty(STDERR_FILENO) == 1
  private let started = ContinuousClock.now
  private var shown = ContinuousClock.now

  mutating func show(_ progress: AuditCheck.Progress) {
    guard .now - shown >= (isTerminal ? Self.terminalInterval : Self.lineInterval) else { return }
    shown = .now
    if isTerminal {
      Output.progress("\r\(text(progress))\u{1b}[K")
    } else {
      Output.error("segmentd: \(text(progress))")
    }
  }

  func finish(_ total: AuditCheck.Progress, differences: Int) {
    if isTerminal { Output.progress("\r\u{1b}[K") }
    let verdict = differences == 1 ? "1 difference" : "\(differences == 0 ? "no" : "\(differences)") differences"
    Output.error("segmentd: \(text(total)): \(verdict)")
  }

  private func text(_ progress: AuditCheck.Progress) -> String {
    let tenths = Int64((.now - started) / .milliseconds(100))
    return
      "checked \(progress.memberships) memberships against \(progress.records) records in \(tenths / 10).\(tenths % 10) s"
  }
}
