import Digest
import EventLoop
import Proto

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Keeps `FILE.checkpoint` beside an export, so that the same command goes on exactly where the last checkpoint was, however the
/// one before ended. Confined to its loop.
///
///     no checkpoint ─► an empty file ─► checkpoint ─► batches ─► checkpoint ─► ... ─► the file is whole: no checkpoint
///     checkpoint ─► the file cut there, its digest compared ───────┘
///     checkpoint of a file that is whole and has its name ─► an empty file
final class AuditCheckpoints: @unchecked Sendable {
  /// Between two checkpoints: the first one comes at once, then ever later.
  private static let shortestInterval = Duration.milliseconds(50)
  private static let longestInterval = Duration.seconds(1)

  private let path: String
  private let partialPath: String?
  private let digest: SHA256
  private var checkpoint: AuditCheckpoint
  private var interval = Duration.zero
  private var last = ContinuousClock.now

  private var checkpointPath: String { Self.path(of: path) }
  private var dataPath: String { partialPath ?? path }

  /// Where the earlier run has come to, or where a new one begins.
  var token: String { checkpoint.token }
  var count: Int64 { checkpoint.count }
  var isFresh: Bool { checkpoint.length == 0 }

  /// Reads the checkpoint, if there is one.
  /// - Parameter isInPlace: The file has its name from the beginning.
  /// - Throws: `Failure`, for a checkpoint of another export or a file without one; `SHA256.Unavailable`, `ProtoError`
  init(of path: String, isInPlace: Bool, _ request: StreamAuditRequest, _ format: AuditFormat) throws {
    self.path = path
    partialPath = isInPlace ? nil : path + ".partial"
    digest = try SHA256()
    let identity = try SHA256()
    identity.update(try request.encoded())
    identity.update(Array(format.rawValue.utf8))
    checkpoint = AuditCheckpoint(request: Text.hex(identity.finish()), digest: Text.hex(try digest.soFar()))
    guard let text = try Self.contents(checkpointPath) else {
      var status = stat()
      if isInPlace, stat(path, &status) == 0, status.st_size > 0 {
        throw Failure(.badInput, "\(path) is there already and has no checkpoint to go on from")
      }
      return
    }
    guard let found = AuditCheckpoint(text) else { throw Failure(.badInput, "\(checkpointPath) is not a checkpoint") }
    guard found.request == checkpoint.request else {
      throw Failure(.badInput, "\(checkpointPath) belongs to another export: its options were different ones")
    }
    // Who was killed between naming the whole file and removing this has left nothing to go on with.
    if let partialPath, access(partialPath, F_OK) != 0, errno == ENOENT { return }
    checkpoint = found
  }

  /// Cuts the file at the checkpoint, after comparing what is before that with it.
  /// - Throws: `Failure`
  func open(on loop: EventLoop) throws -> OutputFile {
    let descriptor = systemOpen(dataPath, O_RDWR | O_CREAT | O_CLOEXEC)
    guard descriptor >= 0 else { throw Failure(.cannotCreate, "cannot open \(dataPath): \(reason(errno))") }
    let file = OutputFile.continuing(descriptor, path: path, partialPath: partialPath, on: loop)
    guard Self.feed(digest, from: descriptor, checkpoint.length), Text.hex(try digest.soFar()) == checkpoint.digest
    else {
      throw Failure(
        .badInput, "\(dataPath) is not what \(checkpointPath) says; remove the checkpoint to begin again")
    }
    guard ftruncate(descriptor, off_t(checkpoint.length)) == 0, lseek(descriptor, 0, SEEK_END) == checkpoint.length
    else { throw Failure(.outputFailed, "cannot cut \(dataPath): \(reason(errno))") }
    // From here on the file is known to be ours.
    let code = replaceFile(checkpointPath, Array(checkpoint.text.utf8))
    guard code == 0 else { throw Failure(.cannotCreate, "cannot write \(checkpointPath): \(reason(code))") }
    return file
  }

  /// These bytes were handed to the file.
  func wrote(_ bytes: [UInt8]) {
    digest.update(bytes)
    checkpoint.length += Int64(bytes.count)
  }

  /// Everything up to the token was handed to the file.
  /// - Throws: `Failure`, `CancellationError`, `SHA256.Unavailable`
  func reached(_ token: String, count: Int64, in file: OutputFile) async throws {
    checkpoint.token = token
    checkpoint.count = count
    guard ContinuousClock.now - last >= interval else { return }
    try await save(file)
    interval = min(max(interval * 2, Self.shortestInterval), Self.longestInterval)
    last = .now
  }

  func save(_ file: OutputFile) async throws {
    checkpoint.digest = Text.hex(try digest.soFar())
    try await file.synchronise(then: checkpointPath, Array(checkpoint.text.utf8))
  }

  /// Of all that was handed to the file.
  /// - Throws: `SHA256.Unavailable`
  func checksum() throws -> AuditChecksum {
    AuditChecksum(count: checkpoint.count, length: checkpoint.length, digest: Text.hex(try digest.soFar()))
  }

  /// The file is whole.
  func remove() {
    unlink(checkpointPath)
  }

  // MARK: Files

  static func path(of file: String) -> String { file + ".checkpoint" }

  /// - Returns: nil when there is no such file.
  static func contents(_ path: String) throws(Failure) -> String? {
    let descriptor = systemOpen(path, O_RDONLY | O_CLOEXEC)
    if descriptor < 0, errno == ENOENT { return nil }
    guard descriptor >= 0 else { throw Failure(.noInput, "cannot read \(path): \(reason(errno))") }
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: 4096)
    let count = read(descriptor, &bytes, bytes.count)
    guard count >= 0 else { throw Failure(.noInput, "cannot read \(path): \(reason(errno))") }
    return String(decoding: bytes[..<count], as: UTF8.self)
  }

  /// - Returns: Whether the file has that many bytes.
  private static func feed(_ digest: SHA256, from descriptor: Int32, _ length: Int64) -> Bool {
    var left = length
    var bytes = [UInt8](repeating: 0, count: 1 << 20)
    while left > 0 {
      let count = read(descriptor, &bytes, Int(min(left, Int64(bytes.count))))
      guard count > 0 else { return false }
      bytes.withUnsafeBytes { digest.update(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
      left -= Int64(count)
    }
    return true
  }
}

private func systemOpen(_ path: String, _ flags: Int32) -> Int32 {
  open(path, flags, 0o666)
}
