#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Where the private PostgreSQL keeps what it has.
///
///     DATA_DIR/segmentd.lock      the claim of the running segmentd
///     DATA_DIR/postgres.log       what PostgreSQL says
///     DATA_DIR/postgres/data      the cluster
///     DATA_DIR/postgres/socket    its only way in, for its owner alone
///
/// Under root, `postgres` belongs to another user. Where that user cannot reach DATA_DIR (as below `/root`), `postgres` is a
/// link to a directory in `/var/lib/segmentd`.
struct ClusterDirectory: Sendable {
  let user: ServiceUser
  let data: String
  let socket: String
  let log: String
  /// Where the cluster went when it could not stay below DATA_DIR, for the person to read; nil when it did.
  let elsewhere: String?

  /// The longest path that a socket's address holds.
  private static let longestSocketPath = MemoryLayout.size(ofValue: sockaddr_un().sun_path) - 1
  private static let systemDirectory = "/var/lib/segmentd"

  /// Finds or makes all directories but the cluster itself.
  /// - Parameter directory: DATA_DIR, which is there; without links.
  init(in directory: String) throws(PrivatePostgresError) {
    let home = "\(directory)/postgres"
    user = try .choose(forCluster: "\(home)/data")
    elsewhere = try Self.makeHome(home, in: directory, for: user)
    let realHome = try System.realPath(home)
    if let obstacle = user.obstacle(onTheWayTo: realHome) { throw .unreachable(path: obstacle, user: user.name) }
    data = "\(realHome)/data"
    log = "\(directory)/postgres.log"
    socket = try Self.makeSocketDirectory(in: realHome, for: user)
  }

  /// The cluster's major version; nil when there is no cluster yet.
  var major: Int? {
    System.text(of: "\(data)/PG_VERSION").flatMap { Int($0.prefix { $0.isNumber }) }
  }

  /// Where a new cluster is made; it takes its place when it is complete.
  var unfinished: String { "\(data).new" }

  /// The directory above the cluster, which the user may write to.
  var home: String { String(data.dropLast("/data".count)) }

  /// Removes the socket's directory where it is one of its own; PostgreSQL has stopped.
  func removeSocket() {
    if !socket.hasPrefix(home) { rmdir(socket) }
  }

  private static func makeHome(
    _ home: String, in directory: String, for user: ServiceUser
  ) throws(PrivatePostgresError) -> String? {
    if System.linkStatus(home) != nil {
      guard System.status(home) != nil else {
        throw .file(path: home, reason: "it is a link to \(System.target(ofLink: home) ?? "somewhere"), which is gone")
      }
      try user.own(home)
      return nil
    }
    if user.obstacle(onTheWayTo: directory) == nil {
      try System.makeDirectory(home, mode: 0o700)
      try user.own(home)
      return nil
    }
    try System.makeDirectories(systemDirectory, mode: 0o755)
    guard let place = makeUniqueDirectory(in: systemDirectory) else {
      throw .file(path: systemDirectory, reason: System.reason(errno))
    }
    try user.own(place)
    try System.check(symlink(place, home), home)
    return place
  }

  private static func makeUniqueDirectory(in directory: String) -> String? {
    guard let template = strdup("\(directory)/postgres-XXXXXX") else { return nil }
    defer { free(template) }
    return mkdtemp(template).map { String(cString: $0) }
  }

  /// The socket's directory; a short one of its own when the cluster's path is too long for a socket's address or has characters
  /// that mean something in a connection string (libpq takes a comma for the next host, quoted or not).
  private static func makeSocketDirectory(
    in home: String, for user: ServiceUser
  ) throws(PrivatePostgresError) -> String {
    var path = "\(home)/socket"
    if path.utf8.count + 1 + ClusterSettings.socketName.utf8.count > longestSocketPath || !isPlain(path) {
      path = "\(runtimeDirectory(for: user))/segmentd-\(user.uid)-\(fingerprint(home))"
    }
    try System.makeDirectory(path, mode: 0o700)
    if System.linkStatus(path)?.st_uid == geteuid() { try user.own(path) }
    // In a directory that all may write to, somebody else may have been there first.
    guard let status = System.linkStatus(path), status.st_mode & S_IFMT == S_IFDIR, status.st_uid == user.uid else {
      throw .file(path: path, reason: "it is not a directory of '\(user.name)'")
    }
    try System.check(chmod(path, 0o700), path)
    return path
  }

  private static func runtimeDirectory(for user: ServiceUser) -> String {
    guard !user.isOther, let pointer = getenv("XDG_RUNTIME_DIR") else { return "/tmp" }
    let directory = String(cString: pointer)
    return directory.utf8.count <= 40 && isPlain(directory) && access(directory, W_OK) == 0 ? directory : "/tmp"
  }

  private static func isPlain(_ path: String) -> Bool {
    path.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "/._-+".contains($0)) }
  }

  /// FNV-1a, in hexadecimal: the same path has the same socket directory each time.
  private static func fingerprint(_ text: String) -> String {
    let hash = text.utf8.reduce(0xcbf2_9ce4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    return String(hash, radix: 16)
  }
}
