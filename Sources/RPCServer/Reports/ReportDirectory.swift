import Synchronization

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Why a report cannot be made here, in a line for a person.
struct ReportFailure: Error, CustomStringConvertible {
  let description: String
}

/// The files of reports, in a directory of one segmentd. Made when the first report is asked for. Callable from any thread.
final class ReportDirectory: Sendable {
  private struct State {
    /// Nil until it is opened.
    var holder: String?
    var lock: DirectoryLock?
  }

  let path: String
  /// Bytes that all files together may have.
  let limit: Int64
  private let state = Mutex(State())

  init(_ path: String, limit: Int64) {
    self.path = path
    self.limit = limit
  }

  /// Whether there is one from an earlier run.
  var exists: Bool { access("\(path)/holder", F_OK) == 0 }

  /// Makes it when it is not there, and claims it.
  /// - Returns: The name under which the database knows it, which stays the same.
  /// - Throws: `ReportFailure`
  func open() throws(ReportFailure) -> String {
    do {
      return try state.withLock { state in
        if let holder = state.holder { return holder }
        try System.makeDirectories(path, mode: 0o755)
        state.lock = try DirectoryLock(directory: path)
        let holder = try Self.holder(inFile: "\(path)/holder")
        state.holder = holder
        return holder
      }
    } catch {
      throw ReportFailure(description: "the directory of reports cannot be used: \(error)")
    }
  }

  private static func holder(inFile path: String) throws -> String {
    if let text = System.text(of: path), !text.isEmpty { return text }
    let name = ReportLink.hex((0..<16).map { _ in UInt8.random(in: .min ... .max) })
    let file = Glibc.open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    try System.check(file, path)
    defer { close(file) }
    let bytes = Array(name.utf8)
    guard bytes.withUnsafeBytes({ write(file, $0.baseAddress, $0.count) }) == bytes.count else {
      throw ReportFailure(description: "\(path): \(System.reason(errno))")
    }
    return name
  }

  func file(_ name: String) -> String { "\(path)/\(name)" }

  /// How many bytes the file has; nil when it is not there.
  func size(of name: String) -> Int64? {
    System.status(file(name)).map { Int64($0.st_size) }
  }

  /// What its reports take, bytes.
  func used() -> Int64 {
    reports().reduce(0) { $0 + (size(of: $1) ?? 0) }
  }

  /// Removes the reports that are not among these.
  func removeAll(but names: Set<String>) {
    for name in reports() where !names.contains(name) { unlink(file(name)) }
  }

  /// The names of all files that are reports, or were to become some.
  private func reports() -> [String] {
    System.names(in: path).filter { name in
      name.utf8.count > 32 && name.utf8.prefix(32).allSatisfy(ReportLink.isHexadecimal)
    }
  }
}
