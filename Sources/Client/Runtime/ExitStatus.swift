import GRPC

/// What segctl's process ends with. Documented in docs/segctl.md; the numbers from 64 on are those of sysexits.h, and
/// those above 128 are 128 and a signal's number.
enum ExitStatus: Int32, Error, CaseIterable {
  case success = 0
  /// The answer to a question is no.
  case no = 1
  /// Lines of an import were rejected; all others were imported.
  case partialImport = 2
  /// An export is not what the server says it sent.
  case digestMismatch = 3
  case notFound = 4
  case alreadyExists = 5
  case invalidArgument = 6
  case failedPrecondition = 7
  case deadlineExceeded = 8
  /// A command line that makes no sense; ArgumentParser uses the same number.
  case usage = 64
  /// The input is not in its format.
  case badInput = 65
  case noInput = 66
  /// The server cannot be reached, or does not take calls.
  case unavailable = 69
  /// The server failed, or does not know the call.
  case serverFailure = 70
  case cannotCreate = 73
  case outputFailed = 74
  /// Trying again later may help.
  case tryAgain = 75
  case noPermission = 77
  case configuration = 78
  /// Ctrl-C, or the server cancelled the call.
  case cancelled = 130
  /// The reader of the output went away.
  case brokenPipe = 141
  case terminated = 143

  init(_ code: StatusCode) {
    self =
      switch code {
      case .ok: .success
      case .cancelled: .cancelled
      case .invalidArgument, .outOfRange: .invalidArgument
      case .deadlineExceeded: .deadlineExceeded
      case .notFound: .notFound
      case .alreadyExists: .alreadyExists
      case .permissionDenied, .unauthenticated: .noPermission
      case .resourceExhausted, .aborted: .tryAgain
      case .failedPrecondition: .failedPrecondition
      case .unavailable: .unavailable
      default: .serverFailure
      }
  }
}
