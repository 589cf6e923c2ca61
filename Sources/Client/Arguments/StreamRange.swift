import ArgumentParser

/// Which part of a list in the order of user ids.
struct StreamRange: ParsableArguments, Sendable {
  @Option(help: ArgumentHelp("Only users with a greater id, to go on from there.", valueName: "id"))
  var after: Int64 = 0
  @Option(help: ArgumentHelp("At most this many; 0 for all.", valueName: "count"))
  var limit: Int64 = 0
}
