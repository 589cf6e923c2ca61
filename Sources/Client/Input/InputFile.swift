import Dispatch
import EventLoop

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Reads a file or standard input piece by piece. Confined to its loop.
///
/// The reading itself happens on a queue, one piece ahead, so that a slow writer of a pipe never holds up the loop.
final class InputFile: @unchecked Sendable {
  /// The most bytes of a piece.
  static let pieceSize = 64 << 10

  private enum Piece: Sendable {
    case bytes([UInt8])
    case end
    case failed(Int32)
  }

  /// For people.
  let name: String
  /// Bytes of a regular file; nil for anything else.
  let size: Int64?
  private let loop: EventLoop
  private let descriptor: Int32
  private let queue = DispatchQueue(label: "segctl.input")
  private var ahead: Promise<Piece>?

  /// - Parameter path: `-` for standard input.
  /// - Throws: `Failure`
  init(_ path: String, on loop: EventLoop) throws(Failure) {
    self.loop = loop
    name = path == "-" ? "standard input" : path
    descriptor = path == "-" ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
      size = nil
      throw Failure(.noInput, "cannot open \(path): \(reason(errno))")
    }
    var status = stat()
    let isRegular = fstat(descriptor, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
    size = isRegular ? Int64(status.st_size) : nil
  }

  deinit {
    if descriptor > STDIN_FILENO { close(descriptor) }
  }

  /// Whether a path names this very file.
  func isSame(as path: String) -> Bool {
    var mine = stat()
    var other = stat()
    return fstat(descriptor, &mine) == 0 && stat(path, &other) == 0 && mine.st_dev == other.st_dev
      && mine.st_ino == other.st_ino
  }

  /// The next bytes, at least one; nil at the end.
  /// - Throws: `Failure`, `CancellationError`
  func next() async throws -> [UInt8]? {
    let promise = ahead ?? readAhead()
    let piece = try await promise.value()
    switch piece {
    case .bytes(let bytes):
      ahead = readAhead()
      return bytes
    case .end:
      ahead = promise
      return nil
    case .failed(let code):
      throw Failure(.noInput, "cannot read \(name): \(reason(code))")
    }
  }

  private func readAhead() -> Promise<Piece> {
    let promise = Promise<Piece>(on: loop)
    queue.async { [self, descriptor] in
      let piece = Self.read(descriptor)
      loop.execute {
        promise.succeed(piece)
        withExtendedLifetime(self) {}
      }
    }
    return promise
  }

  private static func read(_ descriptor: Int32) -> Piece {
    var code: Int32 = 0
    let bytes = [UInt8](unsafeUninitializedCapacity: pieceSize) { buffer, count in
      var result = -1
      repeat {
        result = systemRead(descriptor, buffer.baseAddress, pieceSize)
        code = result < 0 ? errno : 0
        if code == EAGAIN {
          var event = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
          poll(&event, 1, -1)
        }
      } while code == EINTR || code == EAGAIN
      count = max(0, result)
    }
    return code != 0 ? .failed(code) : bytes.isEmpty ? .end : .bytes(bytes)
  }
}

private func systemRead(_ descriptor: Int32, _ bytes: UnsafeMutableRawPointer?, _ count: Int) -> Int {
  read(descriptor, bytes, count)
}
