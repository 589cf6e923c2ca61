import EventLoop
import Testing

@testable import Client

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

@Suite struct OutputFileTests {
  /// Runs on a loop of its own.
  private func onLoop<Result: Sendable>(
    _ body: @escaping @Sendable (EventLoop) async throws -> Result
  ) async throws -> Result {
    let loop = try EventLoop(name: "test")
    let thread = try loop.start()
    let task = Task(executorPreference: loop) { try await body(loop) }
    let result = await task.result
    loop.stop()
    thread.join()
    return try result.get()
  }

  private var folder: String { "/tmp/segctl-tests-\(getpid())-\(UInt64.random(in: 0...UInt64.max))" }

  private func contents(_ path: String) -> String? {
    guard let file = fopen(path, "r") else { return nil }
    defer { fclose(file) }
    var bytes = [UInt8](repeating: 0, count: 1 << 20)
    let count = fread(&bytes, 1, bytes.count, file)
    return String(decoding: bytes[..<count], as: UTF8.self)
  }

  @Test("a file has its name only when it is finished")
  func partial() async throws {
    let path = folder
    defer { unlink(path) }
    try await onLoop { loop in
      let file = try OutputFile.creating(path, on: loop)
      try await file.write(Array("one\n".utf8))
      try await file.drain()
      #expect(contents(path) == nil)
      #expect(contents(path + ".partial") == "one\n")
      try await file.write(Array("two\n".utf8))
      try await file.finish()
    }
    #expect(contents(path) == "one\ntwo\n")
    #expect(contents(path + ".partial") == nil)
  }

  @Test("a disk that is full is told of")
  func full() async throws {
    let failure = await #expect(throws: Failure.self) {
      try await onLoop { loop in
        let file = try OutputFile.creating("/dev/full", on: loop)
        try await file.write([1, 2, 3])
        try await file.finish()
      }
    }
    #expect(failure?.status == .outputFailed)
  }

  @Test("a file that cannot be created is told of")
  func cannotCreate() async throws {
    let failure = await #expect(throws: Failure.self) {
      try await onLoop { loop in _ = try OutputFile.creating("/nowhere/file", on: loop) }
    }
    #expect(failure?.status == .cannotCreate)
  }

  @Test("a pipe that nobody reads holds up the writer and not the loop, and one that nobody can read ends it")
  func pipes() async throws {
    let path = folder
    mkfifo(path, 0o600)
    defer { unlink(path) }
    signal(SIGPIPE, SIG_IGN)
    let reader = open(path, O_RDONLY | O_NONBLOCK)
    let failure = await #expect(throws: Failure.self) {
      try await onLoop { loop in
        let file = try OutputFile.creating(path, on: loop)
        let writing = Task(executorPreference: loop) {
          for _ in 0..<64 { try await file.write([UInt8](repeating: 0, count: 256 << 10)) }
        }
        // The loop's timers go on while the pipe is full.
        try await loop.sleep(for: .milliseconds(20))
        close(reader)
        try await writing.value
      }
    }
    #expect(failure?.status == .brokenPipe)
  }
}
