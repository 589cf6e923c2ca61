import HTTP2

/// What the response's headers and trailers say, as far as they have arrived.
struct ResponseHead {
  private(set) var httpStatus = 0
  private(set) var isGRPC = false
  private(set) var status: StatusCode?
  private(set) var message = ""
  private(set) var details: [UInt8] = []
  private(set) var initialMetadata = Metadata()
  private(set) var trailingMetadata = Metadata()
  /// Headers that are not the call's end have come.
  private(set) var hasHeaders = false
  /// How compressed messages are coded; nil for identity.
  private(set) var encoding: MessageEncoding?
  private var unknownEncoding: String?

  mutating func take(name: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer) {
    let text = { String(decoding: value, as: UTF8.self) }
    switch name.count {
    case 7 where name.equals(":status"):
      httpStatus = Int(text()) ?? 0
    case 12 where name.equals("content-type"):
      isGRPC = text().hasPrefix("application/grpc")
    case 11 where name.equals("grpc-status"):
      status = Int(text()).map { StatusCode(rawValue: $0) } ?? .unknown
    case 12 where name.equals("grpc-message"):
      message = PercentEncoding.decode(value)
    case 23 where name.equals("grpc-status-details-bin"):
      details = Base64.decode(text()) ?? []
    case 13 where name.equals("grpc-encoding"):
      switch MessageEncoding.Named(value) {
      case .identity: break
      case .compressed(let named): encoding = named
      case .unknown: unknownEncoding = text()
      }
    case 20 where name.equals("grpc-accept-encoding"):
      break
    default:
      if hasHeaders {
        trailingMetadata.append(name: name, value: value)
      } else {
        initialMetadata.append(name: name, value: value)
      }
    }
  }

  /// The final response's headers are complete; what follows are trailers.
  mutating func headersEnded() {
    hasHeaders = true
  }

  /// The headers are all there is: they are the trailers too.
  mutating func endedWithHeaders() {
    guard !hasHeaders else { return }
    trailingMetadata = initialMetadata
    initialMetadata = Metadata()
  }

  /// When the server wants the call to be made again, if it says so.
  var pushback: RetryState.Pushback? {
    trailingMetadata["grpc-retry-pushback-ms"].map { RetryState.Pushback($0) }
  }

  /// Why what arrived cannot be an answer of a gRPC server; nil when it can.
  var refusal: RPCError? {
    guard httpStatus == 200 else {
      return RPCError(StatusCode(httpStatus: httpStatus), "the server answered with HTTP status \(httpStatus)")
    }
    guard isGRPC else { return RPCError(.unknown, "the server's answer is not gRPC") }
    guard let unknownEncoding else { return nil }
    return RPCError(.internalError, "the server used the grpc-encoding \(unknownEncoding), which was not asked for")
  }

  /// The call's end as the trailers tell it; nil for OK.
  var error: RPCError? {
    guard let status else { return RPCError(.unknown, "the server ended the call without a grpc-status") }
    return status == .ok ? nil : RPCError(status, message, details: details)
  }
}
