import Foundation
import Logging
import Testing

@testable import RPCServer

/// A data directory of a test, gone afterwards with everything that runs in it.
final class Sandbox: Sendable {
  let path: String

  /// - Parameters:
  ///   - depth: Folders of 50 characters between the temporary directory and the data directory.
  ///   - name: The data directory's name, when it matters.
  init(depth: Int = 0, named name: String? = nil) throws {
    var path = "/tmp/segmentd-test-\(getpid())-\(UInt32.random(in: 0 ... .max))"
    for _ in 0..<depth { path += "/" + String(repeating: "d", count: 50) }
    if let name { path += "/\(name)" }
    try System.makeDirectories(path, mode: 0o755)
    self.path = try System.realPath(path)
  }

  var root: String { path.split(separator: "/").prefix(2).map { "/\($0)" }.joined() }
  var data: String { ((try? System.realPath("\(path)/postgres")) ?? "\(path)/postgres") + "/data" }
  var postmaster: PostmasterFile? { PostmasterFile(cluster: data) }

  func postgres(progress: @escaping @Sendable (String) -> Void = { _ in }) -> PrivatePostgres {
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    return PrivatePostgres(dataDirectory: path, connections: 10, logger: logger, progress: progress)
  }

  /// Starts one, lends its connection string and stops it.
  func withPostgres<R>(_ body: (PrivatePostgres, String) async throws -> R) async throws -> R {
    let postgres = postgres()
    let address = try await postgres.start()
    do {
      let result = try await body(postgres, address)
      await postgres.stop()
      return result
    } catch {
      await postgres.stop()
      throw error
    }
  }

  /// The line that start fails with; nil when it does not.
  func complaint() async -> String? {
    let postgres = postgres()
    do {
      _ = try await postgres.start()
      await postgres.stop()
      return nil
    } catch {
      return "\(error)"
    }
  }

  deinit {
    Leftovers(cluster: data, socket: "\(path)/postgres/socket").stop { _ in }
    try? System.removeTree((data as NSString).deletingLastPathComponent)
    try? System.removeTree(root)
  }
}

/// What `psql` prints for the statement, without its last line's end.
func psql(_ address: String, _ statement: String) throws -> String {
  let installation = try #require(PostgresInstallation.findAll().first)
  let output = try ChildProcess.output(of: ["\(installation.directory)/psql", address, "-XAtc", statement])
  return output.trimmingCharacters(in: .newlines)
}

/// Waits for the condition, a minute at most.
func eventually(_ condition: () throws -> Bool) async throws -> Bool {
  for _ in 0..<3000 {
    if try condition() { return true }
    try await Task.sleep(for: .milliseconds(20))
  }
  return false
}
