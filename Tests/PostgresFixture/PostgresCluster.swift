import Dispatch
import Foundation
import Synchronization

/// A private PostgreSQL for tests: made under the temporary directory, reached by a unix socket, gone with the test process.
package final class PostgresCluster: Sendable {
  package struct Failure: Error, CustomStringConvertible {
    package let description: String
  }

  private static let shared = Task { try await PostgresCluster() }

  private let queue = DispatchQueue(label: "postgres cluster")
  private let commands: FileHandle
  private let answers: FileHandle
  /// Where the socket is.
  package let directory: String
  private let templates = Mutex<[String: Task<String, any Error>]>([:])
  private let counter = Atomic<Int>(0)

  /// The cluster of the test process, started when it is first asked for.
  package static func shared() async throws -> PostgresCluster {
    try await shared.value
  }

  /// A cluster of one's own, for tests that stop or kill it.
  package init() async throws {
    let input = Pipe()
    let output = Pipe()
    // Or other children of the tests would keep the cluster alive.
    for handle in [input.fileHandleForWriting, output.fileHandleForReading] {
      _ = fcntl(handle.fileDescriptor, F_SETFD, FD_CLOEXEC)
    }
    commands = input.fileHandleForWriting
    answers = output.fileHandleForReading
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["setsid", "/bin/sh", "-c", Supervisor.script]
    process.standardInput = input
    process.standardOutput = output
    process.standardError = FileHandle.nullDevice
    try process.run()
    let handle = answers
    directory = try await Self.wait(on: queue) { try Self.answer(from: handle) }
  }

  /// A new database, empty or a copy of a template.
  /// - Returns: Its connection string.
  package func database(from template: String = "template0") async throws -> String {
    let name = "test_\(counter.add(1, ordering: .relaxed).newValue)"
    try await command("create \(name) \(template)")
    return connectionString(name)
  }

  /// A database that is prepared once in the process, to be copied by `database(from:)`.
  /// - Parameter prepare: Fills the database of this connection string and leaves no connection to it open.
  /// - Returns: The template's name.
  package func template(
    _ name: String, prepare: @escaping @Sendable (String) async throws -> Void
  ) async throws -> String {
    let task = templates.withLock { templates in
      if let task = templates[name] { return task }
      let task = Task {
        try await command("create \(name) template0")
        try await prepare(connectionString(name))
        return name
      }
      templates[name] = task
      return task
    }
    return try await task.value
  }

  package func connectionString(_ database: String) -> String {
    "host=\(directory) dbname=\(database) user=postgres"
  }

  /// Ends all sessions and stops the server.
  package func stop() async throws { try await command("stop fast") }

  package func start() async throws { try await command("start") }

  /// Kills the server with SIGKILL and starts it again.
  package func crash() async throws { try await command("crash") }

  /// Ends the cluster before the process does.
  package func end() throws { try commands.close() }

  private func command(_ line: String) async throws {
    _ = try await Self.wait(on: queue) { [commands, answers] in
      try commands.write(contentsOf: Data("\(line)\n".utf8))
      return try Self.answer(from: answers)
    }
  }

  private static func wait(
    on queue: DispatchQueue, _ work: @escaping @Sendable () throws -> String
  ) async throws -> String {
    try await withCheckedThrowingContinuation { continuation in
      queue.async { continuation.resume(with: Result { try work() }) }
    }
  }

  /// One line: `ok` and the directory, or `error` and the reason.
  private static func answer(from handle: FileHandle) throws -> String {
    var line = Data()
    while let byte = try handle.read(upToCount: 1), let first = byte.first, first != 0x0A { line.append(first) }
    let words = String(decoding: line, as: UTF8.self).split(separator: " ", maxSplits: 1)
    guard words.count == 2, words[0] == "ok" else {
      throw Failure(description: "the test cluster failed: \(words.dropFirst().first ?? "it has ended")")
    }
    return String(words[1])
  }
}
