#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// The server programs of one PostgreSQL version on this system.
package struct PostgresInstallation: Sendable, Equatable {
  /// The oldest major version whose server we use.
  package static let minimumMajor = 14

  /// The directory of `postgres` and `initdb`.
  package let directory: String
  package let major: Int

  var postgres: String { "\(directory)/postgres" }
  var initdb: String { "\(directory)/initdb" }

  /// Folders that hold one folder for each version, and what stands between that and the programs.
  private static let versionedRoots = [
    ("/usr/lib/postgresql", "", "/bin"), ("/usr", "pgsql-", "/bin"), ("/usr/local", "pgsql", "/bin"),
    ("/opt/homebrew/opt", "postgresql@", "/bin"), ("/usr/local/opt", "postgresql@", "/bin"),
    ("/Applications/Postgres.app/Contents/Versions", "", "/bin"),
  ]

  /// All installations of the minimum version or newer, the newest first; of two with one version, the one found on `PATH`.
  /// Blocks for some milliseconds.
  static func findAll(path: String = environmentPath) -> [PostgresInstallation] {
    var found: [PostgresInstallation] = []
    for candidate in candidates(path: path) {
      // Links, as in /usr/local/bin, lead to where the programs of one version are together.
      guard let program = try? System.realPath("\(candidate)/postgres"), isProgram(program) else { continue }
      let directory = String(program.dropLast("/postgres".count))
      guard isProgram("\(directory)/initdb"), !found.contains(where: { $0.directory == directory }),
        let major = major(of: program), major >= minimumMajor
      else { continue }
      found.append(PostgresInstallation(directory: directory, major: major))
    }
    return found.enumerated().sorted { ($1.element.major, $0.offset) < ($0.element.major, $1.offset) }.map(\.element)
  }

  /// Where `findAll` looked, for the line that says nothing was found.
  static let searched = ["PATH", "pg_config --bindir"] + versionedRoots.map { "\($0.0)/\($0.1)*" }

  static var environmentPath: String {
    getenv("PATH").map { String(cString: $0) } ?? "/usr/local/bin:/usr/bin:/bin"
  }

  private static func isProgram(_ path: String) -> Bool { access(path, X_OK) == 0 }

  private static func candidates(path: String) -> [String] {
    var directories = path.split(separator: ":").map(String.init)
    if let tool = directories.lazy.map({ "\($0)/pg_config" }).first(where: isProgram),
      let output = try? ChildProcess.output(of: [tool, "--bindir"])
    {
      directories.append(String(output.prefix { $0 != "\n" }))
    }
    for (root, prefix, suffix) in versionedRoots {
      directories += System.names(in: root).filter { $0.hasPrefix(prefix) }.sorted().map { "\(root)/\($0)\(suffix)" }
    }
    return directories
  }

  /// The 15 of `postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)`.
  static func major(fromVersionLine line: String) -> Int? {
    guard let version = line.split(separator: ")").dropFirst().first?.drop(while: { $0 == " " }) else { return nil }
    return Int(version.prefix { $0.isASCII && $0.isNumber })
  }

  private static func major(of program: String) -> Int? {
    (try? ChildProcess.output(of: [program, "--version"])).flatMap(major(fromVersionLine:))
  }
}
