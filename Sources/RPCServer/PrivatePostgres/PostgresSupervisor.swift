import Logging

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Brings PostgreSQL up and keeps it up, on one thread that blocks. That thread must live as long as PostgreSQL: the system ends a
/// child when the thread that started it goes.
final class PostgresSupervisor: Sendable {
  /// Everything that stays the same from one start of PostgreSQL to the next.
  private struct Prepared {
    let lock: DirectoryLock
    let directory: ClusterDirectory
    let installation: PostgresInstallation
    let log: PostgresLog
    var leftovers: Leftovers { Leftovers(cluster: directory.data, socket: directory.socket) }
  }

  /// What a step may take before the person is told that it goes on.
  private static let moment: Duration = .seconds(1)

  let children = PostgresChildren()
  private let dataDirectory: String
  private let settings: ClusterSettings
  private let logger: Logger
  private let progress: @Sendable (String) -> Void

  init(
    dataDirectory: String, settings: ClusterSettings, logger: Logger, progress: @escaping @Sendable (String) -> Void
  ) {
    self.dataDirectory = dataDirectory
    self.settings = settings
    self.logger = logger
    self.progress = progress
  }

  /// Returns when PostgreSQL is down for good and the data directory is free: after `children.close()`, or when the first start
  /// fails.
  /// - Parameter up: Told the connection string when PostgreSQL takes connections for the first time.
  /// - Throws: Why it never came up.
  func run(up: (String) -> Void) throws(PrivatePostgresError) {
    do throws(PrivatePostgresError) {
      let prepared = try prepare()
      defer { prepared.directory.removeSocket() }
      try bringUp(prepared)
      up(ClusterSettings.connectionString(socket: prepared.directory.socket))
      keepUp(prepared)
      withExtendedLifetime(prepared.lock) {}
    } catch {
      throw children.isClosed ? .stopped : error
    }
  }

  // MARK: Up

  private func prepare() throws(PrivatePostgresError) -> Prepared {
    try System.makeDirectories(dataDirectory, mode: 0o755)
    let root = try System.realPath(dataDirectory)
    let lock = try DirectoryLock(directory: root)
    let directory = try ClusterDirectory(in: root)
    if let elsewhere = directory.elsewhere {
      progress("the user '\(directory.user.name)' cannot reach \(root); PostgreSQL keeps its data in \(elsewhere)")
    }
    let installation = try chooseInstallation(for: directory)
    let prepared = Prepared(
      lock: lock, directory: directory, installation: installation, log: try PostgresLog(path: directory.log))
    prepared.leftovers.stop(progress: progress)
    if directory.major == nil {
      progress("making a private PostgreSQL \(installation.major) in \(directory.home)")
      try ClusterMaker(directory: directory, installation: installation, children: children, log: prepared.log).make()
    }
    return prepared
  }

  private func chooseInstallation(for directory: ClusterDirectory) throws(PrivatePostgresError) -> PostgresInstallation
  {
    let installed = PostgresInstallation.findAll()
    guard let newest = installed.first else {
      throw .notInstalled(searched: PostgresInstallation.searched, minimum: PostgresInstallation.minimumMajor)
    }
    guard let major = directory.major else { return newest }
    guard let matching = installed.first(where: { $0.major == major }) else {
      throw .versionMissing(cluster: directory.data, major: major, installed: installed.map(\.major))
    }
    return matching
  }

  /// Starts PostgreSQL and waits until it takes connections.
  private func bringUp(_ prepared: Prepared) throws(PrivatePostgresError) {
    let child = try children.start(
      prepared.directory.user.launcher(endSignal: "INT")
        + [prepared.installation.postgres, "-D", prepared.directory.data]
        + settings.arguments(socket: prepared.directory.socket),
      directory: prepared.directory.home, stopSignal: SIGINT, streams: .init(output: prepared.log.file))
    let start = ContinuousClock.now
    var hasTold = false
    while true {
      if let ending = children.reap() {
        if children.isClosed { throw .stopped }
        throw .startFailed(reason: prepared.log.complaint ?? "it \(ending)", log: prepared.log.path)
      }
      if let file = PostmasterFile(cluster: prepared.directory.data), file.pid == child.pid, file.isReady { return }
      if !hasTold, ContinuousClock.now - start > Self.moment {
        hasTold = true
        progress("PostgreSQL is starting, which takes longer after a crash")
      }
      System.pause(milliseconds: 5)
    }
  }

  // MARK: Kept up

  private func keepUp(_ prepared: Prepared) {
    var backoff = Backoff()
    while true {
      let since = ContinuousClock.now
      if let ending = children.waitForEnd(), !children.isClosed {
        logger.error("the private PostgreSQL ended; starting it again", metadata: ["how": "\(ending)"])
      }
      backoff.ran(for: ContinuousClock.now - since)
      repeat {
        wait(backoff.next())
        if children.isClosed { return }
        prepared.leftovers.stop(progress: { logger.notice("\($0)") })
      } while !cameUp(prepared)
      logger.notice("the private PostgreSQL is up again")
    }
  }

  private func cameUp(_ prepared: Prepared) -> Bool {
    do throws(PrivatePostgresError) {
      try bringUp(prepared)
      return true
    } catch {
      if !children.isClosed { logger.error("\(error)") }
      return false
    }
  }

  private func wait(_ duration: Duration) {
    let end = ContinuousClock.now + duration
    while !children.isClosed, ContinuousClock.now < end { System.pause(milliseconds: 20) }
  }
}

/// The pauses between attempts to start PostgreSQL: none at first, then twice as long each time up to 10 seconds.
struct Backoff {
  private static let first = Duration.milliseconds(100)
  private static let longest = Duration.seconds(10)
  /// Whatever ran this long was healthy.
  private static let healthy = Duration.seconds(30)

  private var following = Duration.zero

  mutating func next() -> Duration {
    defer { following = following == .zero ? Self.first : min(following * 2, Self.longest) }
    return following
  }

  mutating func ran(for duration: Duration) {
    if duration >= Self.healthy { following = .zero }
  }
}
