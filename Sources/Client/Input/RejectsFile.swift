import EventLoop

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A line that was not imported.
struct RejectedLine: Sendable {
  /// From 1, the header's line.
  let line: Int
  /// Why, for programs.
  let code: String
  /// Why, for people.
  let message: String
  let text: String
}

/// The lines that were not imported, as CSV `line_number,reason,message,line`. Made when there is one; what an earlier import
/// left goes away. Confined to its loop.
final class RejectsFile: @unchecked Sendable {
  /// How many are told of on standard error too.
  private static let shown = 5

  private let path: String
  private let loop: EventLoop
  private var file: OutputFile?
  private(set) var count = 0

  /// - Throws: `Failure` when the path is the input's.
  init(_ path: String, of input: InputFile, on loop: EventLoop) throws(Failure) {
    guard !input.isSame(as: path) else { throw Failure(.usage, "the rejects of \(input.name) cannot go to \(path)") }
    self.path = path
    self.loop = loop
    var status = stat()
    if stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG { unlink(path) }
  }

  /// - Throws: `Failure`
  func write(_ lines: [RejectedLine]) async throws {
    guard !lines.isEmpty else { return }
    var buffer: [UInt8] = []
    if file == nil { CSVWriter.append(["line_number", "reason", "message", "line"], to: &buffer) }
    for line in lines {
      CSVWriter.append(["\(line.line)", line.code, line.message, line.text], to: &buffer)
      if count < Self.shown {
        StandardError.line(Text.printable("line \(line.line): \(line.code): \(line.message)"))
      }
      count += 1
    }
    let file = try file ?? OutputFile.creating(path, on: loop)
    self.file = file
    try await file.write(buffer)
  }

  /// - Throws: `Failure`
  func finish() async throws {
    guard let file else { return }
    try await file.finish()
    StandardError.line("\(Text.grouped(Int64(count))) rejected lines are in \(path)")
  }
}
