/// Why there is no private PostgreSQL; each is one line for the person who started segmentd.
package enum PrivatePostgresError: Error, Equatable, CustomStringConvertible {
  /// Another segmentd holds the directory; its pid when it has already written it down.
  case held(directory: String, pid: Int32?)
  case notInstalled(searched: [String], minimum: Int)
  /// The cluster was made by a major version that is not installed.
  case versionMissing(cluster: String, major: Int, installed: [Int])
  /// The cluster belongs to another user than the one PostgreSQL would run as.
  case foreign(cluster: String, owner: String)
  /// Run by root, and the user that PostgreSQL would run as cannot reach its directory.
  case unreachable(path: String, user: String)
  /// Run by root, and nothing is there to start a program as another user.
  case cannotDropRoot
  /// A system call on a file or directory of the cluster failed.
  case file(path: String, reason: String)
  case initFailed(reason: String, log: String)
  case startFailed(reason: String, log: String)
  /// `stop()` was called while it was starting.
  case stopped

  package var description: String {
    switch self {
    case .held(let directory, let pid):
      let holder = pid.map { "another segmentd (pid \($0))" } ?? "another segmentd"
      return "the data directory \(directory) is in use by \(holder); stop it or choose another --data-dir"
    case .notInstalled(let searched, let minimum):
      return "no PostgreSQL \(minimum) or newer found (looked in \(searched.joined(separator: ", "))); install the "
        + "package 'postgresql' or give a database with --database"
    case .versionMissing(let cluster, let major, let installed):
      let others = installed.map(String.init).joined(separator: ", ")
      return "the cluster in \(cluster) was made by PostgreSQL \(major), and only \(others) is installed; install "
        + "PostgreSQL \(major) or choose another --data-dir"
    case .foreign(let cluster, let owner):
      return "the cluster in \(cluster) belongs to the user '\(owner)'; run segmentd as '\(owner)' or choose another "
        + "--data-dir"
    case .unreachable(let path, let user):
      return
        "PostgreSQL never runs as root, and its user '\(user)' cannot reach \(path); choose a --data-dir that it can "
        + "reach or run segmentd as another user"
    case .cannotDropRoot:
      return "PostgreSQL never runs as root; run segmentd as another user, or install setpriv (package util-linux) and "
        + "have a user 'postgres' or 'nobody'"
    case .file(let path, let reason):
      return "cannot use \(path): \(reason)"
    case .initFailed(let reason, let log):
      return "cannot make a PostgreSQL cluster: \(reason) (more in \(log))"
    case .startFailed(let reason, let log):
      return "the private PostgreSQL does not start: \(reason) (more in \(log))"
    case .stopped:
      return "the private PostgreSQL was stopped while it was starting"
    }
  }
}
