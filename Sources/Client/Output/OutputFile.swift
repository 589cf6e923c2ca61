import Dispatch
import EventLoop

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Writes bytes in order to standard output or a file. Confined to its loop.
///
/// To a pipe or a device the writing itself happens on a queue, so that a slow reader holds back the command but never the loop,
/// which goes on to answer the server's pings and to watch for signals. What is handed over while a write is going on makes up
/// the next one: small writes when the reader is fast, large ones when it is not. A regular file takes bytes as fast as memory
/// does, and to hand them to another thread would cost more than to write them.
final class OutputFile: @unchecked Sendable {
  /// How many bytes may wait before `write` does.
  static let highWater = 1 << 20

  private let loop: EventLoop
  private let descriptor: Int32
  private let ownsDescriptor: Bool
  private let isRegularFile: Bool
  private let queue = DispatchQueue(label: "segctl.output")
  /// What `path` is called until it is whole; nil when it is written in place.
  let partialPath: String?
  private let path: String

  private var pending: [UInt8] = []
  private var isWriting = false
  private var failure: Failure?
  private var waiter: Promise<Void>?

  private init(on loop: EventLoop, descriptor: Int32, owns: Bool, path: String, partialPath: String? = nil) {
    self.loop = loop
    self.descriptor = descriptor
    ownsDescriptor = owns
    self.path = path
    self.partialPath = partialPath
    var status = stat()
    isRegularFile = fstat(descriptor, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
  }

  deinit {
    if ownsDescriptor { close(descriptor) }
  }

  static func standardOutput(on loop: EventLoop) -> OutputFile {
    OutputFile(on: loop, descriptor: STDOUT_FILENO, owns: false, path: "standard output")
  }

  /// A file that has its name only when it is whole: until `finish()` it is called `PATH.partial`. What is there already and
  /// is not a regular file (a pipe, a device) is written in place.
  /// - Throws: `Failure`
  static func creating(_ path: String, on loop: EventLoop) throws(Failure) -> OutputFile {
    var status = stat()
    let inPlace = stat(path, &status) == 0 && status.st_mode & S_IFMT != S_IFREG
    let name = inPlace ? path : path + ".partial"
    let descriptor = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw Failure(.cannotCreate, "cannot create \(name): \(reason(errno))") }
    return OutputFile(on: loop, descriptor: descriptor, owns: true, path: path, partialPath: inPlace ? nil : name)
  }

  /// A file that is written in place, and begins empty.
  /// - Throws: `Failure`
  static func replacing(_ path: String, on loop: EventLoop) throws(Failure) -> OutputFile {
    let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw Failure(.cannotCreate, "cannot create \(path): \(reason(errno))") }
    return OutputFile(on: loop, descriptor: descriptor, owns: true, path: path)
  }

  /// A file that goes on behind what it holds.
  /// - Parameters:
  ///   - descriptor: Stands at the end; owned.
  ///   - partialPath: What it is called until it is whole; nil when it is written in place.
  static func continuing(
    _ descriptor: Int32, path: String, partialPath: String?, on loop: EventLoop
  ) -> OutputFile {
    OutputFile(on: loop, descriptor: descriptor, owns: true, path: path, partialPath: partialPath)
  }

  /// Waits until all is written and on the disk, then replaces the file at `path` by these bytes.
  /// - Throws: `Failure`, `CancellationError`
  func synchronise(then path: String, _ bytes: [UInt8]) async throws {
    try await drain()
    isWriting = true
    queue.async { [self, descriptor] in
      let code = fdatasync(descriptor) == 0 ? replaceFile(path, bytes) : errno
      loop.execute { self.wrote(code) }
    }
    try await drain()
  }

  /// Hands bytes over; waits while too much waits to be written.
  /// - Throws: `Failure`, also for what was handed over earlier; `CancellationError`
  func write(_ bytes: [UInt8]) async throws {
    if let failure { throw failure }
    guard !bytes.isEmpty else { return }
    if isRegularFile, !isWriting {
      note(writeAll(bytes, to: descriptor))
      if let failure { throw failure }
      return
    }
    if pending.isEmpty { pending = bytes } else { pending += bytes }
    startWriting()
    while pending.count >= Self.highWater { try await oneWrite() }
  }

  /// Waits until all is written, and gives a file its name.
  /// - Throws: `Failure`, `CancellationError`
  func finish() async throws {
    try await drain()
    guard let partialPath, rename(partialPath, path) != 0 else { return }
    throw Failure(.outputFailed, "cannot rename \(partialPath) to \(path): \(reason(errno))")
  }

  /// Takes a partial file away that nothing was written to.
  func discard() {
    if let partialPath { unlink(partialPath) }
  }

  /// Waits until all is written; a file keeps the name of a partial one.
  /// - Throws: `Failure`, `CancellationError`
  func drain() async throws {
    while isWriting { try await oneWrite() }
    if let failure { throw failure }
  }

  /// Waits for the write that is going on.
  private func oneWrite() async throws {
    let promise = Promise<Void>(on: loop)
    waiter = promise
    try await promise.value()
    if let failure { throw failure }
  }

  private func startWriting() {
    guard !isWriting, failure == nil, !pending.isEmpty else { return }
    isWriting = true
    let bytes = pending
    pending = []
    queue.async { [self, descriptor] in
      let code = writeAll(bytes, to: descriptor)
      loop.execute { self.wrote(code) }
    }
  }

  private func note(_ code: Int32) {
    if code == EPIPE {
      failure = .brokenPipe
    } else if code != 0 {
      failure = Failure(.outputFailed, "cannot write to \(path): \(reason(code))")
    }
  }

  private func wrote(_ code: Int32) {
    isWriting = false
    note(code)
    startWriting()
    let promise = waiter
    waiter = nil
    promise?.succeed(())
  }
}

/// - Returns: 0, or the system's error.
private func writeAll(_ bytes: [UInt8], to descriptor: Int32) -> Int32 {
  bytes.withUnsafeBytes { buffer in
    var rest = buffer[...]
    while !rest.isEmpty {
      let count = write(descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
      if count >= 0 {
        rest = rest.dropFirst(count)
      } else if errno == EAGAIN {
        // Somebody else made it non-blocking.
        var event = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        poll(&event, 1, -1)
      } else if errno != EINTR {
        return errno
      }
    }
    return 0
  }
}

/// - Returns: 0, or the system's error. The file is the old one or the new one, whatever happens.
func replaceFile(_ path: String, _ bytes: [UInt8]) -> Int32 {
  let name = path + ".new"
  let descriptor = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
  guard descriptor >= 0 else { return errno }
  defer { close(descriptor) }
  let code = writeAll(bytes, to: descriptor)
  guard code == 0 else { return code }
  return fsync(descriptor) == 0 && rename(name, path) == 0 ? 0 : errno
}

/// What the system calls an error.
func reason(_ code: Int32) -> String {
  String(cString: strerror(code))
}
