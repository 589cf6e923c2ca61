#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A program that runs in a process group of its own, so that a terminal's Ctrl-C does not reach it.
///
/// `posix_spawn` and not Foundation's `Process`: the thread that starts a child decides when it ends, so that must be ours.
struct ChildProcess: Sendable {
  let pid: pid_t

  /// How a process ended.
  enum Ending: Equatable, CustomStringConvertible {
    case exit(Int32)
    case signal(Int32)

    var description: String {
      switch self {
      case .exit(let code): "exited with \(code)"
      case .signal(let signal): "was ended by signal \(signal)"
      }
    }
  }

  /// Where a child reads and writes.
  struct Streams {
    var input: Int32?
    var output: Int32
  }

  /// - Parameters:
  ///   - arguments: The program's path and its arguments.
  ///   - directory: Where it starts; nil: where we are. (Through `sh`: Glibc's module hides `addchdir_np`.)
  ///   - streams: Nil input: nothing to read. Output takes both standard output and standard error.
  /// - Throws: `PrivatePostgresError.file` when the program cannot be started.
  static func start(
    _ arguments: [String], directory: String? = nil, streams: Streams
  ) throws(PrivatePostgresError) -> ChildProcess {
    #if canImport(Glibc)
      var attributes = posix_spawnattr_t()
      var actions = posix_spawn_file_actions_t()
    #else
      var attributes: posix_spawnattr_t?
      var actions: posix_spawn_file_actions_t?
    #endif
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }

    var signals = sigset_t()
    sigemptyset(&signals)
    posix_spawnattr_setsigmask(&attributes, &signals)
    sigfillset(&signals)
    posix_spawnattr_setsigdefault(&attributes, &signals)
    posix_spawnattr_setpgroup(&attributes, 0)
    posix_spawnattr_setflags(
      &attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))

    if let input = streams.input {
      posix_spawn_file_actions_adddup2(&actions, input, 0)
    } else {
      posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    }
    posix_spawn_file_actions_adddup2(&actions, streams.output, 1)
    posix_spawn_file_actions_adddup2(&actions, streams.output, 2)

    var pid = pid_t()
    let line = (directory.map { ["/bin/sh", "-c", "cd \"$0\" && exec \"$@\"", $0] } ?? []) + arguments
    let code = withCStrings(line) { arguments in
      withCStrings(environment) { posix_spawn(&pid, line[0], &actions, &attributes, arguments, $0) }
    }
    guard code == 0 else { throw .file(path: arguments.first ?? "", reason: System.reason(code)) }
    return ChildProcess(pid: pid)
  }

  /// Waits on this thread until the process has ended, and leaves it to be reaped: until `reap()` its pid is not used again.
  func waitForEnd() {
    var info = siginfo_t()
    while waitid(P_PID, id_t(pid), &info, WEXITED | WNOWAIT) == -1, errno == EINTR {}
  }

  /// How it ended; nil while it runs.
  func reap() -> Ending? {
    var status: Int32 = 0
    var result: pid_t
    repeat { result = waitpid(pid, &status, WNOHANG) } while result == -1 && errno == EINTR
    guard result == pid else { return nil }
    let signal = status & 0x7f
    return signal == 0 ? .exit((status >> 8) & 0xff) : .signal(signal)
  }

  /// Runs a program that is known to end soon, and collects what it writes (at most what a pipe holds).
  static func output(of arguments: [String]) throws(PrivatePostgresError) -> String {
    let pipe = try Pipe()
    let child = try start(arguments, streams: Streams(output: pipe.writer))
    child.waitForEnd()
    _ = child.reap()
    pipe.closeWriter()
    return pipe.readAll()
  }

  /// Nothing of our environment but where programs and libraries are: variables such as PGDATA would change what they do.
  private static var environment: [String] {
    ["PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TMPDIR"].compactMap { (name: String) -> String? in
      getenv(name).map { "\(name)=\(String(cString: $0))" }
    } + ["LC_ALL=C"]
  }
}

/// A pipe that no other child inherits.
final class Pipe {
  let reader: Int32
  private(set) var writer: Int32

  init() throws(PrivatePostgresError) {
    var ends: (Int32, Int32) = (-1, -1)
    let result = withUnsafeMutableBytes(of: &ends) { pipe($0.assumingMemoryBound(to: Int32.self).baseAddress) }
    try System.check(result, "a pipe")
    (reader, writer) = ends
    _ = fcntl(reader, F_SETFD, FD_CLOEXEC)
    _ = fcntl(writer, F_SETFD, FD_CLOEXEC)
  }

  deinit {
    close(reader)
    closeWriter()
  }

  func closeWriter() {
    if writer >= 0 { close(writer) }
    writer = -1
  }

  func write(_ text: String) {
    let bytes = Array(text.utf8)
    _ = bytes.withUnsafeBytes { Self.send(writer, $0.baseAddress, $0.count) }
  }

  func readAll() -> String {
    var text: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 4096)
    while true {
      let count = buffer.withUnsafeMutableBytes { read(reader, $0.baseAddress, $0.count) }
      guard count > 0 else { return String(decoding: text, as: UTF8.self) }
      text += buffer[..<count]
    }
  }

  private static func send(_ file: Int32, _ bytes: UnsafeRawPointer?, _ count: Int) -> Int {
    #if canImport(Glibc)
      Glibc.write(file, bytes, count)
    #else
      Darwin.write(file, bytes, count)
    #endif
  }
}

/// Lends the strings as C's `char *const argv[]`.
private func withCStrings<R>(_ strings: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> R) -> R {
  let copies = strings.map { strdup($0) }
  defer { copies.forEach { free($0) } }
  return body(copies + [nil])
}
