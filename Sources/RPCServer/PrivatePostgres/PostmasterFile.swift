#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// `postmaster.pid`, which a running PostgreSQL keeps in its cluster: pid, directory, start time, port, socket directory,
/// TCP address, shared memory, status; a line each.
struct PostmasterFile: Equatable {
  let pid: pid_t
  let socketDirectory: String?
  /// Whether it takes connections.
  let isReady: Bool

  /// Nil when there is none, or one that is still being written.
  init?(cluster: String) {
    guard let text = System.text(of: Self.path(in: cluster)) else { return nil }
    self.init(text: text)
  }

  init?(text: String) {
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    // A single-user server writes its pid as a negative number.
    guard let pid = lines.first.flatMap({ pid_t($0) }), pid != 0 else { return nil }
    self.pid = abs(pid)
    socketDirectory = lines.count > 4 && !lines[4].isEmpty ? String(lines[4]) : nil
    isReady = lines.count > 7 && lines[7].hasPrefix("ready")
  }

  static func path(in cluster: String) -> String { "\(cluster)/postmaster.pid" }
}
