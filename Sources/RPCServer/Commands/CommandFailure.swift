import ArgumentParser
import EventLoop
import Segmentation
import TLS

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// What ends a command early: one line for the person who started it, and the exit code.
struct CommandFailure: Error, CustomStringConvertible {
  /// `EX_UNAVAILABLE` of sysexits.
  static let unavailable: Int32 = 69

  let description: String
  let exitCode: Int32

  init(_ description: String, exitCode: Int32) {
    self.description = description
    self.exitCode = exitCode
  }

  init(_ error: any Error) {
    switch error {
    case let error as CommandFailure: self = error
    case let error as SettingsError: self.init(error.description, exitCode: SettingsError.exitCode)
    case let error as TLSError: self.init(error.description, exitCode: SettingsError.exitCode)
    case let error as PrivatePostgresError: self.init(error.description, exitCode: Self.unavailable)
    case let error as SocketError: self.init(error.description, exitCode: Self.unavailable)
    case SegmentationError.notMigrated:
      self.init("\(error); run `segmentd migrate up` with the same --database", exitCode: Self.unavailable)
    case SegmentationError.unavailable:
      self.init("\(error); the log says why, and --database says which one", exitCode: Self.unavailable)
    case let error as SegmentationError: self.init(error.description, exitCode: Self.unavailable)
    default: self.init("\(error)", exitCode: 1)
    }
  }

  /// Runs a command's body; what it throws becomes a line on standard error and the exit code.
  static func reporting(_ body: () async throws -> Void) async throws {
    do { try await body() } catch {
      let failure = CommandFailure(error)
      Output.error("segmentd: \(failure.description)")
      throw ExitCode(failure.exitCode)
    }
  }
}

/// Lines for the person at the terminal, or the program that started us; each is written at once.
enum Output {
  static func line(_ text: String) { write(text + "\n", to: 1) }
  static func error(_ text: String) { write(text + "\n", to: 2) }

  /// Without an end of line.
  static func progress(_ text: String) { write(text, to: 2) }

  private static func write(_ text: String, to descriptor: Int32) {
    var text = text
    text.withUTF8 { bytes in
      var rest = UnsafeRawBufferPointer(bytes)
      while let start = rest.baseAddress, rest.count > 0 {
        let count = Glibc.write(descriptor, start, rest.count)
        guard count > 0 else { return }
        rest = .init(rebasing: rest[count...])
      }
    }
  }
}
