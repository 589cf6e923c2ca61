import Foundation
import Synchronization
import Testing

@testable import RPCServer

@Suite("Private PostgreSQL", .serialized, .timeLimit(.minutes(5))) struct PrivatePostgresTests {
  @Test("the first start makes a cluster, and the second finds what was written")
  func keepsData() async throws {
    let sandbox = try Sandbox()
    try await sandbox.withPostgres { (_, address) async throws in
      #expect(try psql(address, "CREATE TABLE t AS SELECT 42 AS a") == "SELECT 1")
      #expect(
        try psql(address, "SELECT current_database(), current_user, getdatabaseencoding()") == "segmentd|segmentd|UTF8")
      #expect(try psql(address, "SHOW listen_addresses") == "")
      #expect(try psql(address, "SHOW fsync") == "on")
    }
    let second = sandbox.postgres()
    #expect(try psql(try await second.start(), "SELECT a FROM t") == "42")
    await second.stop()
    #expect(sandbox.postmaster == nil)
  }

  @Test("an open session with a long statement does not hold up a stop")
  func stopsWithSession() async throws {
    let sandbox = try Sandbox()
    let postgres = sandbox.postgres()
    let address = try await postgres.start()
    let session = Task.detached { try psql(address, "SELECT pg_sleep(60)") }
    #expect(try await eventually { try psql(address, sleepers) == "1" })
    let clock = ContinuousClock.now
    await postgres.stop()
    #expect(ContinuousClock.now - clock < .seconds(30))
    _ = try await session.value
  }

  @Test("PostgreSQL never runs as root, nor in our process group, which a terminal's Ctrl-C goes to")
  func processGroup() async throws {
    let sandbox = try Sandbox()
    try await sandbox.withPostgres { (_, _) async throws in
      let pid = try #require(sandbox.postmaster?.pid)
      #expect(getpgid(pid) == pid)
      #expect(getpgid(pid) != getpgrp())
      #expect(System.status(sandbox.data)?.st_uid != 0)
      #expect(System.status("/proc/\(pid)")?.st_uid != 0)
    }
  }

  @Test("nobody else reaches the socket or the data")
  func permissions() async throws {
    let sandbox = try Sandbox()
    try await sandbox.withPostgres { (_, _) async throws in
      let home = (sandbox.data as NSString).deletingLastPathComponent
      for path in [home, "\(home)/data", "\(home)/socket"] {
        #expect(try #require(System.status(path)).st_mode & 0o777 == 0o700, "\(path)")
      }
    }
  }

  @Test("a directory that another instance holds is refused with one line that names its pid")
  func held() async throws {
    let sandbox = try Sandbox()
    try await sandbox.withPostgres { (_, address) async throws in
      let line = try #require(await sandbox.complaint())
      #expect(line.contains("in use by another segmentd (pid \(getpid()))"))
      #expect(!line.contains("\n"))
      #expect(try psql(address, "SELECT 1") == "1")
    }
    #expect(await sandbox.complaint() == nil)
  }

  @Test("a command beside a server finds its PostgreSQL while it runs")
  func besides() async throws {
    let sandbox = try Sandbox()
    #expect(PrivatePostgres.address(ofRunningIn: sandbox.path) == nil)
    try await sandbox.withPostgres { (_, address) async throws in
      #expect(PrivatePostgres.address(ofRunningIn: sandbox.path) == address)
    }
    #expect(PrivatePostgres.address(ofRunningIn: sandbox.path) == nil)
  }

  @Test("a killed PostgreSQL is started again under the same address, though a session of it goes on")
  func killed() async throws {
    let sandbox = try Sandbox()
    try await sandbox.withPostgres { (_, address) async throws in
      _ = try psql(address, "CREATE TABLE t AS SELECT 42 AS a")
      for _ in 0..<2 {
        // A backend in the middle of its work does not notice that its postmaster has gone.
        let session = Task.detached { try psql(address, "SELECT count(*) FROM generate_series(1, 1e12)") }
        #expect(try await eventually { try psql(address, counters) == "1" })
        let first = try #require(sandbox.postmaster?.pid)
        kill(first, SIGKILL)
        #expect(try await eventually { sandbox.postmaster.map { $0.pid != first && $0.isReady } ?? false })
        #expect(try psql(address, "SELECT a FROM t") == "42")
        _ = try await session.value
      }
    }
  }

  @Test("a PostgreSQL that an earlier segmentd left behind is stopped first")
  func orphan() async throws {
    let sandbox = try Sandbox()
    try await sandbox.withPostgres { (_, address) async throws in
      _ = try psql(address, "CREATE TABLE t AS SELECT 42 AS a")
    }
    let directory = try ClusterDirectory(in: sandbox.path)
    let installation = try #require(PostgresInstallation.findAll().first)
    let log = try PostgresLog(path: directory.log)
    let launcher =
      directory.user.isOther ? ["/usr/bin/setpriv", "--reuid=\(directory.user.uid)", "--clear-groups", "--"] : []
    let orphan = try ChildProcess.start(
      launcher + [installation.postgres, "-D", directory.data]
        + ClusterSettings(connections: 5).arguments(socket: directory.socket),
      directory: directory.home, streams: .init(output: log.file))
    #expect(try await eventually { sandbox.postmaster?.isReady ?? false })
    // Somebody has to reap it, as init would.
    let reaper = Task.detached { while orphan.reap() == nil { try await Task.sleep(for: .milliseconds(10)) } }

    let lines = Lines()
    let postgres = sandbox.postgres { lines.append($0) }
    let address = try await postgres.start()
    #expect(lines.all.contains("stopping a PostgreSQL that an earlier segmentd left behind"))
    #expect(sandbox.postmaster?.pid != orphan.pid)
    #expect(try psql(address, "SELECT a FROM t") == "42")
    await postgres.stop()
    try await reaper.value
  }

  @Test("a lock file that names a living stranger does not keep PostgreSQL from starting")
  func staleLockFile() async throws {
    let sandbox = try Sandbox()
    try await sandbox.withPostgres { _, _ in }
    try "\(getpid())\n\(sandbox.data)\n1\n5432\n\n\n".write(
      toFile: PostmasterFile.path(in: sandbox.data), atomically: true, encoding: .utf8)
    #expect(await sandbox.complaint() == nil)
  }

  @Test("what an interrupted initdb left is thrown away")
  func interruptedInit() async throws {
    let sandbox = try Sandbox()
    let directory = try ClusterDirectory(in: sandbox.path)
    try System.makeDirectories("\(directory.unfinished)/base/1", mode: 0o700)
    try "15\n".write(toFile: "\(directory.unfinished)/PG_VERSION", atomically: true, encoding: .utf8)
    #expect(await sandbox.complaint() == nil)
    #expect(System.linkStatus(directory.unfinished) == nil)
  }

  /// How far a start has come.
  enum Progress: CaseIterable {
    case nothing, initdb, cluster

    func isReached(in sandbox: Sandbox) -> Bool {
      switch self {
      case .nothing: true
      case .initdb: System.linkStatus("\(sandbox.data).new/base") != nil
      case .cluster: System.linkStatus(sandbox.data) != nil
      }
    }
  }

  @Test("a stop while it is starting ends the start, and the next start succeeds", arguments: Progress.allCases)
  func stoppedWhileStarting(at progress: Progress) async throws {
    let sandbox = try Sandbox()
    let postgres = sandbox.postgres()
    let start = Task { try await postgres.start() }
    #expect(try await eventually { progress.isReached(in: sandbox) })
    start.cancel()
    switch await start.result {
    case .failure(let error): #expect(error as? PrivatePostgresError == .stopped)
    // At the very end the start may be faster.
    case .success: #expect(progress == .cluster)
    }
    await postgres.stop()
    #expect(sandbox.postmaster == nil)
    #expect(await sandbox.complaint() == nil)
  }

  @Test("a cluster of a version that is not installed is refused in one line, and not touched")
  func otherVersion() async throws {
    let sandbox = try Sandbox()
    let directory = try ClusterDirectory(in: sandbox.path)
    try System.makeDirectories(directory.data, mode: 0o700)
    try directory.user.own(directory.data)
    try "9\n".write(toFile: "\(directory.data)/PG_VERSION", atomically: true, encoding: .utf8)
    let line = try #require(await sandbox.complaint())
    #expect(line.contains("was made by PostgreSQL 9, and only"))
    #expect(System.names(in: directory.data) == ["PG_VERSION"])
  }

  @Test("a cluster that PostgreSQL refuses is one line with PostgreSQL's reason")
  func brokenCluster() async throws {
    let sandbox = try Sandbox()
    try await sandbox.withPostgres { _, _ in }
    try System.removeTree("\(sandbox.data)/global/pg_control")
    let line = try #require(await sandbox.complaint())
    #expect(line.contains("does not start: "))
    #expect(line.contains("pg_control") || line.contains("could not find the database system"))
    #expect(!line.contains("\n"))
  }

  @Test("a path too long for a socket's address gets a short socket directory")
  func longPath() async throws {
    let sandbox = try Sandbox(depth: 3)
    let socket = try await sandbox.withPostgres { (_, address) async throws in
      #expect(try psql(address, "SELECT 1") == "1")
      let socket = try ClusterDirectory(in: sandbox.path).socket
      #expect(!socket.hasPrefix(sandbox.path))
      return socket
    }
    #expect(System.linkStatus(socket) == nil)
  }

  @Test("a path with spaces, commas and quotes works")
  func strangePath() async throws {
    let sandbox = try Sandbox(named: "it's a \"data\" dir\\, 100%")
    try await sandbox.withPostgres { (_, address) async throws in
      #expect(try psql(address, "SELECT 1") == "1")
    }
  }

  @Test(
    "under root, below a directory that others cannot pass, the cluster moves to where PostgreSQL's user reaches it",
    .enabled(if: geteuid() == 0))
  func unreachable() async throws {
    let sandbox = try Sandbox()
    chmod(sandbox.path, 0o700)
    let lines = Lines()
    let postgres = sandbox.postgres { lines.append($0) }
    let address = try await postgres.start()
    #expect(try psql(address, "SELECT 1") == "1")
    await postgres.stop()
    let target = try #require(System.target(ofLink: "\(sandbox.path)/postgres"))
    #expect(target.hasPrefix("/var/lib/segmentd/"))
    #expect(lines.all.contains { $0.contains("cannot reach") && $0.contains(target) })
    #expect(await sandbox.complaint() == nil)
  }

  @Test("another user's cluster is refused with a line that names the owner", .enabled(if: geteuid() == 0))
  func rootsCluster() async throws {
    let sandbox = try Sandbox()
    try System.makeDirectories("\(sandbox.path)/postgres/data", mode: 0o700)
    #expect(try #require(await sandbox.complaint()).contains("belongs to root"))
  }
}

private let sleepers = "SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)'"
private let counters = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%1e12)' AND pid <> pg_backend_pid()"

/// Lines that another thread writes.
private final class Lines: Sendable {
  private let lines = Mutex<[String]>([])
  var all: [String] { lines.withLock { $0 } }
  func append(_ line: String) { lines.withLock { $0.append(line) } }
}
