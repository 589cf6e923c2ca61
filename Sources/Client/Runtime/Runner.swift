import ArgumentParser
import EventLoop
import Proto

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A command that talks to the server.
protocol ClientCommand: ParsableCommand, Sendable {
  var connectionOptions: ConnectionOptions { get }

  /// Runs on the connection's loop.
  /// - Throws: `Failure`, `RPCError`
  func run(on connection: Connection) async throws -> ExitStatus
}

extension ClientCommand {
  mutating func run() throws {
    let status = Runner.run(self)
    guard status == .success else { throw ExitCode(status.rawValue) }
  }
}

/// A command that needs no server.
protocol LocalCommand: ParsableCommand, Sendable {
  /// Runs on an event loop.
  /// - Throws: `Failure`
  func run(on loop: EventLoop) async throws -> ExitStatus
}

extension LocalCommand {
  mutating func run() throws {
    let status = Runner.run(self)
    guard status == .success else { throw ExitCode(status.rawValue) }
  }
}

/// Runs a command on an event loop on the calling thread, up to its end or a signal.
///
/// The first Ctrl-C cancels the command, which then hands over what it has; a second one, or a command that takes more than
/// two seconds over it (its output goes to a pipe that nobody reads, say), ends the process at once.
final class Runner: @unchecked Sendable {
  private static let grace = Duration.seconds(2)

  private let loop: EventLoop
  private var connection: Connection?
  private var task: Task<Void, Never>?
  private var status = ExitStatus.success
  private var interruption: ExitStatus?
  private var watchers: [SignalWatcher] = []
  private var lastCall: Timer?

  private init() throws {
    loop = try EventLoop(name: "segctl")
  }

  static func run(_ command: some ClientCommand) -> ExitStatus {
    run { runner in
      let settings = try await Settings(command.connectionOptions)
      let connection = Connection(settings, on: runner.loop)
      defer { connection.close() }
      runner.connection = connection
      return try await command.run(on: connection)
    }
  }

  static func run(_ command: some LocalCommand) -> ExitStatus {
    run { runner in try await command.run(on: runner.loop) }
  }

  private static func run(_ body: @escaping @Sendable (Runner) async throws -> ExitStatus) -> ExitStatus {
    // A reader that went away is told of by EPIPE.
    signal(SIGPIPE, SIG_IGN)
    do { return try Runner().run(body) } catch {
      StandardError.line("\(error)")
      return .serverFailure
    }
  }

  private func run(_ body: @escaping @Sendable (Runner) async throws -> ExitStatus) -> ExitStatus {
    watchers = [(SIGINT, ExitStatus.cancelled), (SIGTERM, .terminated)].map { number, status in
      SignalWatcher(number, on: loop) { [unowned self] in interrupted(status) }
    }
    task = loop.spawn { [self] in
      status = await self.status(of: body)
      loop.stop()
    }
    loop.run()
    watchers = []
    lastCall = nil
    return interruption ?? status
  }

  private func status(of body: (Runner) async throws -> ExitStatus) async -> ExitStatus {
    do { return try await body(self) } catch {
      let (status, lines) = Failure.describe(error)
      // After a Ctrl-C everybody knows why.
      if interruption == nil || error is Failure { lines.forEach(StandardError.line) }
      return status
    }
  }

  private func interrupted(_ status: ExitStatus) {
    guard interruption == nil else { _exit(status.rawValue) }
    interruption = status
    let timer = Timer(on: loop) { _exit(status.rawValue) }
    timer.schedule(after: Self.grace)
    lastCall = timer
    task?.cancel()
    loop.execute { [self] in connection?.close() }
  }
}
