/// gRPC's status codes; codes that are not in its list survive as they are.
package struct StatusCode: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
  package let rawValue: Int

  package init(rawValue: Int) {
    self.rawValue = rawValue
  }

  package static let ok = StatusCode(rawValue: 0)
  package static let cancelled = StatusCode(rawValue: 1)
  package static let unknown = StatusCode(rawValue: 2)
  package static let invalidArgument = StatusCode(rawValue: 3)
  package static let deadlineExceeded = StatusCode(rawValue: 4)
  package static let notFound = StatusCode(rawValue: 5)
  package static let alreadyExists = StatusCode(rawValue: 6)
  package static let permissionDenied = StatusCode(rawValue: 7)
  package static let resourceExhausted = StatusCode(rawValue: 8)
  package static let failedPrecondition = StatusCode(rawValue: 9)
  package static let aborted = StatusCode(rawValue: 10)
  package static let outOfRange = StatusCode(rawValue: 11)
  package static let unimplemented = StatusCode(rawValue: 12)
  package static let internalError = StatusCode(rawValue: 13)
  package static let unavailable = StatusCode(rawValue: 14)
  package static let dataLoss = StatusCode(rawValue: 15)
  package static let unauthenticated = StatusCode(rawValue: 16)

  /// Every code of gRPC's list, each at its number.
  static let known = names.indices.map { StatusCode(rawValue: $0) }

  private static let names = [
    "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
    "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
    "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
  ]

  /// The code's name as gRPC writes it, `INVALID_ARGUMENT` say.
  package var description: String {
    Self.names.indices.contains(rawValue) ? Self.names[rawValue] : "CODE_\(rawValue)"
  }

  /// What an answer that is not gRPC's means (gRPC over HTTP/2, "HTTP to gRPC Status Code Mapping").
  init(httpStatus: Int) {
    switch httpStatus {
    case 400: self = .internalError
    case 401: self = .unauthenticated
    case 403: self = .permissionDenied
    case 404: self = .unimplemented
    case 429, 502, 503, 504: self = .unavailable
    default: self = .unknown
    }
  }
}
