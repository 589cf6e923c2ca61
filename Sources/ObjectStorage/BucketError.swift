/// Why a request to a bucket came to nothing, in a line for a person. Says nothing about the credentials.
package enum BucketError: Error, Hashable, CustomStringConvertible {
  /// No answer: the network, TLS, or a service that stalls.
  case unreachable(reason: String)
  /// The service's answer, with its own word for it, such as `AccessDenied`; empty when it gave none.
  case refused(status: Int, code: String)
  /// The file to send cannot be read.
  case file(reason: String)
  /// The caller wants no answer any more.
  case cancelled
  /// libcurl cannot do what is needed.
  case unusable(reason: String)

  package var description: String {
    switch self {
    case .unreachable(let reason): "the bucket cannot be reached: \(reason)"
    case .refused(let status, ""): "the bucket answered \(status)"
    case .refused(let status, let code): "the bucket answered \(status) \(code)"
    case .file(let reason): "the file cannot be read: \(reason)"
    case .cancelled: "given up"
    case .unusable(let reason): "libcurl: \(reason)"
    }
  }

  /// Whether the same request may succeed a little later.
  package var isPassing: Bool {
    switch self {
    case .unreachable: true
    case .refused(let status, _): status >= 500 || status == 408 || status == 429
    case .file, .cancelled, .unusable: false
    }
  }
}
