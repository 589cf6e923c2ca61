#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Processes of a cluster that outlived their segmentd or their postmaster, after a `kill -9` of either. We hold the
/// directory's lock, so they are nobody's.
///
/// Each process of PostgreSQL works in the cluster's directory: that tells them from others that got their pid later.
struct Leftovers {
  let cluster: String
  let socket: String

  /// Ends them: the postmaster by a fast shutdown, after 10 seconds and for the others by force. Blocks.
  /// - Parameter progress: Told when there are any.
  func stop(progress: (String) -> Void) {
    guard !processes.isEmpty else { return removeStaleFiles() }
    progress("stopping a PostgreSQL that an earlier segmentd left behind")
    if let postmaster = PostmasterFile(cluster: cluster)?.pid, processes.contains(postmaster) {
      kill(postmaster, SIGINT)
      waitForEnd(seconds: 10)
    }
    for signal in [SIGTERM, SIGQUIT, SIGKILL] where !processes.isEmpty {
      processes.forEach { kill($0, signal) }
      waitForEnd(seconds: 3)
    }
    removeStaleFiles()
  }

  private func waitForEnd(seconds: Int) {
    for _ in 0..<(seconds * 50) where !processes.isEmpty { System.pause(milliseconds: 20) }
  }

  #if os(Linux)
    private var processes: [pid_t] {
      System.names(in: "/proc").compactMap { pid_t($0) }.filter { System.target(ofLink: "/proc/\($0)/cwd") == cluster }
    }
  #else
    /// Without /proc: the postmaster, if its file names a living process.
    private var processes: [pid_t] {
      PostmasterFile(cluster: cluster).map { [$0.pid] }?.filter { kill($0, 0) == 0 } ?? []
    }
  #endif

  /// PostgreSQL refuses to start when its lock files name a living process, and after a restart of a machine or a container that
  /// may be any. Nothing works in the cluster now, so such a file is stale; all others PostgreSQL replaces by itself.
  private func removeStaleFiles() {
    guard processes.isEmpty else { return }
    for path in [PostmasterFile.path(in: cluster), "\(socket)/\(ClusterSettings.socketName).lock"] {
      guard let text = System.text(of: path), let pid = PostmasterFile(text: text)?.pid, kill(pid, 0) == 0 else {
        continue
      }
      unlink(path)
    }
  }
}
