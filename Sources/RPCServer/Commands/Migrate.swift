import ArgumentParser
import Contract
import Postgres
import Proto
import Segmentation

/// `segmentd migrate`
struct Migrate: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Brings a database's schema to what this program needs, or back.",
    subcommands: [Up.self, Down.self, Status.self])

  /// `segmentd migrate up`
  struct Up: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Applies every migration that is missing.")

    @OptionGroup var flags: DatabaseFlags

    func run() async throws {
      try await Migrate.run(flags) { migrator in
        let applied = try await migrator.up()
        for number in applied { Output.line("applied migration \(number)") }
        if applied.isEmpty { Output.line("nothing to do") }
      }
    }
  }

  /// `segmentd migrate down`
  struct Down: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Takes migrations back.",
      discussion: "Going back to 0 removes all data. Stop every segmentd on the database first.")

    @Option(help: "The migration that shall be the last one applied; 0 removes all.") var to: Int
    @OptionGroup var flags: DatabaseFlags

    func run() async throws {
      try await Migrate.run(flags) { migrator in
        let reverted = try await migrator.down(to: to)
        for number in reverted { Output.line("took back migration \(number)") }
        if reverted.isEmpty { Output.line("nothing to do") }
      }
    }
  }

  /// `segmentd migrate status`
  struct Status: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Lists the migrations and which are applied.")

    @OptionGroup var flags: DatabaseFlags

    func run() async throws {
      try await Migrate.run(flags) { migrator in
        for migration in try await migrator.status() {
          let state = migration.appliedAt.map { "applied \(StampFormatter.string(ProtoTimestamp($0)))" } ?? "missing"
          Output.line("\(migration.number)  \(migration.name)  \(state)")
        }
      }
    }
  }

  private static func run(_ flags: DatabaseFlags, _ body: @Sendable (Migrator) async throws -> Void) async throws {
    try await CommandFailure.reporting {
      try await DatabaseSession.run(flags) { try await body(Migrator(pool: $0)) }
    }
  }
}
