#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// The claim of one segmentd on a data directory. The system lets go of it when the process ends, however it ends.
final class DirectoryLock: Sendable {
  private let file: Int32

  /// - Throws: `held` when another process has it.
  init(directory: String) throws(PrivatePostgresError) {
    let path = "\(directory)/segmentd.lock"
    let file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
    try System.check(file, path)
    guard flock(file, LOCK_EX | LOCK_NB) == 0 else {
      let reason = errno
      close(file)
      guard reason == EWOULDBLOCK else { throw .file(path: path, reason: System.reason(reason)) }
      let holder = System.text(of: path).flatMap { Int32($0.prefix { $0.isNumber }) }
      throw .held(directory: directory, pid: holder)
    }
    self.file = file
    let line = Array("\(getpid())\n".utf8)
    ftruncate(file, 0)
    _ = line.withUnsafeBytes { pwrite(file, $0.baseAddress, $0.count, 0) }
  }

  deinit {
    ftruncate(file, 0)
    close(file)
  }
}
