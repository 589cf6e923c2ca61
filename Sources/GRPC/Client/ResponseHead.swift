import HTTP2

/// What the response's headers and trailers say, as far as they have arrived.
struct ResponseHead {
  private(set) var httpStatus = 0
  private(set) var isGRPC = false
  private(set) var status: StatusCode?
  private(set) var message = ""
  private(set) var details: [UInt8] = []
  private(set) var metadata = Metadata()
  private var encoding: String?

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
    case 13 where name.equals("grpc-encoding") && !value.equals("identity"):
      encoding = text()
    case 20 where name.equals("grpc-accept-encoding"):
      break
    default:
      metadata.append(name: name, value: value)
    }
  }

  /// Why what arrived cannot be an answer of a gRPC server; nil when it can.
  var refusal: RPCError? {
    guard httpStatus == 200 else {
      return RPCError(StatusCode(httpStatus: httpStatus), "the server answered with HTTP status \(httpStatus)")
    }
    guard isGRPC else { return RPCError(.unknown, "the server's answer is not gRPC") }
    guard let encoding else { return nil }
    return RPCError(.internalError, "the server used the grpc-encoding \(encoding), which was not asked for")
  }

  /// The call's end as the trailers tell it; nil for OK.
  var error: RPCError? {
    guard let status else { return RPCError(.internalError, "the server ended the call without a grpc-status") }
    return status == .ok ? nil : RPCError(status, message, details: details)
  }
}
