#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Makes the cluster and the database in it. Blocks, a second or three.
struct ClusterMaker {
  let directory: ClusterDirectory
  let installation: PostgresInstallation
  let children: PostgresChildren
  let log: PostgresLog

  /// What is left of an attempt that was cut short is thrown away; the cluster appears under its name when it is complete.
  func make() throws(PrivatePostgresError) {
    try System.removeTree(directory.unfinished)
    // Whoever reaches the socket is the owner or root, so nobody is asked for a password.
    try run([
      installation.initdb, "--pgdata", directory.unfinished, "--username", "segmentd", "--auth", "trust",
      "--encoding", "UTF8", "--locale", "C", "--data-checksums",
    ])
    try run(
      [installation.postgres, "--single", "-D", directory.unfinished, "postgres"], input: "CREATE DATABASE segmentd;\n")
    try System.check(rename(directory.unfinished, directory.data), directory.data)
  }

  private func run(_ arguments: [String], input: String = "") throws(PrivatePostgresError) {
    let pipe = try Pipe()
    pipe.write(input)
    pipe.closeWriter()
    try children.start(
      directory.user.launcher(endSignal: "TERM") + arguments, directory: directory.home, stopSignal: SIGTERM,
      streams: .init(input: pipe.reader, output: log.file))
    let ending = children.waitForEnd() ?? .exit(1)
    if children.isClosed { throw .stopped }
    guard ending == .exit(0) else { throw .initFailed(reason: log.complaint ?? "initdb \(ending)", log: log.path) }
  }
}
