import ArgumentParser

@testable import RPCServer

/// A command that has the flags of `serve` and nothing else.
struct ServeFlagsHelp: ParsableCommand {
  @OptionGroup var flags: ServeFlags
}
