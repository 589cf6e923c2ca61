import GRPC
import Proto

/// Why a command ends early, with what it exits with.
struct Failure: Error {
  let status: ExitStatus
  /// For people, one line; empty when nothing is to be said.
  let message: String

  init(_ status: ExitStatus, _ message: String) {
    self.status = status
    self.message = message
  }

  /// The reader of the output went away, which is its right.
  static let brokenPipe = Failure(.brokenPipe, "")

  /// What any error of a command comes to.
  static func describe(_ error: any Error) -> (status: ExitStatus, lines: [String]) {
    switch error {
    case let failure as Failure:
      (failure.status, failure.message.isEmpty ? [] : [failure.message])
    case let error as RPCError:
      (ExitStatus(error.code), lines(error))
    case is CancellationError:
      (.cancelled, ["cancelled"])
    default:
      (.serverFailure, ["\(error)"])
    }
  }

  /// The status, then what its details add to it.
  private static func lines(_ error: RPCError) -> [String] {
    // Whoever has no server is told how to come by one.
    let hint =
      error.reason == .unreachable
      ? "; 'segmentd serve' starts a server, --address or SEGCTL_ADDRESS names another" : ""
    var lines = [Text.printable("\(error.code): \(error.message)\(hint)")]
    if let detail = error.detail(GoogleRPCBadRequest.self) {
      let violations = detail.fieldViolations.map { ($0, "\($0.field) \($0.description)") }
      // A message that is its only violation need not be said twice.
      lines += violations.filter { $0.1 != error.message }.map {
        Text.printable("  \($0.0.field): \($0.0.description)")
      }
    }
    if let detail = error.detail(GoogleRPCPreconditionFailure.self) {
      lines += detail.violations.map { Text.printable("  \($0.description)") }
    }
    if let delay = error.detail(GoogleRPCRetryInfo.self)?.retryDelay, let microseconds = try? delay.microseconds() {
      lines.append("  try again in \(max(1, microseconds / 1000)) ms")
    }
    // Of a refusal that is the caller's own doing the log has nothing more.
    let isServersDoing = [.internalError, .unknown, .dataLoss, .unavailable, .failedPrecondition].contains(error.code)
    if isServersDoing, let id = error.detail(GoogleRPCRequestInfo.self)?.requestID, !id.isEmpty {
      lines.append(Text.printable("  the server's log has more under request id \(id)"))
    }
    return lines
  }
}
