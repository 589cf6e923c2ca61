import HTTP2

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// What the request's headers say, as far as they have arrived.
struct RequestHead {
  /// Why a request is not a gRPC call that we serve.
  enum Refusal {
    /// Answered in plain HTTP, as the peer does not speak gRPC.
    case http(PlainAnswer.Reason)
    case rpc(RPCError)
  }

  /// The server's router keeps it.
  private(set) unowned(unsafe) var route: Route?
  private(set) var timeout: Duration?
  private(set) var metadata = Metadata()
  private(set) var requestID: String?
  /// How the caller's compressed messages are coded.
  private(set) var encoding: MessageEncoding?
  /// What answers may be compressed with; nil when the caller takes none of ours.
  private(set) var acceptedEncoding: MessageEncoding?
  private var isPost = false
  private var isHead = false
  private var isGRPC = false
  private var hasContentType = false
  private var path: String?
  private var refusal: RPCError?

  mutating func take(_ headers: ReceivedHeaders, router: Router) {
    headers.forEach { take(name: $0, value: $1, router: router) }
  }

  private mutating func take(name: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer, router: Router) {
    switch name.count {
    case 5 where name.equals(":path"):
      route = router.route(value)
      if route == nil { path = String(decoding: value, as: UTF8.self) }
    case 7 where name.equals(":method"):
      isPost = value.equals("POST")
      isHead = !isPost && value.equals("HEAD")
    case 12 where name.equals("content-type"):
      // Of several each must be.
      isGRPC = Self.isGRPC(value) && (isGRPC || !hasContentType)
      hasContentType = true
    case 12 where name.equals("grpc-timeout"):
      timeout = Timeout.parse(value)
      if timeout == nil { refusal = RPCError(.internalError, "malformed grpc-timeout", reason: "MALFORMED_TIMEOUT") }
    case 13 where name.equals("grpc-encoding"):
      take(encoding: value)
    case 20 where name.equals("grpc-accept-encoding"):
      acceptedEncoding = .preferred(in: value)
    case 2, 7, 10, 14:
      if Self.isProtocol(name) { return }
      metadata.append(name: name, value: value)
    case 12 where name.equals("x-request-id"):
      requestID = Self.printable(value)
    default:
      metadata.append(name: name, value: value)
    }
  }

  private mutating func take(encoding: UnsafeRawBufferPointer) {
    switch MessageEncoding.Named(encoding) {
    case .identity: break
    case .compressed(let named): self.encoding = named
    case .unknown:
      refusal = RPCError(
        .unimplemented, "the grpc-encoding is not supported; these are: \(MessageEncoding.accepted)",
        reason: "UNSUPPORTED_ENCODING")
    }
  }

  /// Whether the call can go on. To ask for the `refusal` each time would cost more than all the rest of a head.
  var isServable: Bool { isPost && isGRPC && route != nil && refusal == nil }

  /// What to answer instead of starting a handler; nil when the call can go on.
  func refusal(isTooLarge: Bool) -> Refusal? {
    // First, as the fields that did not fit are not known: the content type may be among them.
    if isTooLarge {
      return .rpc(
        RPCError(.resourceExhausted, "the request's metadata is over the limit", reason: .metadataTooLarge))
    }
    guard isPost else { return .http(.method(isHead: isHead)) }
    guard isGRPC else { return .http(.contentType) }
    if route == nil {
      return .rpc(
        RPCError(.unimplemented, "unknown method \(path?.prefix(200) ?? "")", reason: "UNKNOWN_METHOD"))
    }
    return refusal.map { .rpc($0) }
  }

  /// `application/grpc` in lower case, alone or with any subtype (`+json`) or parameters (`;`) behind it: what grpc-go and grpc-core
  /// take. Like theirs, messages are protobuf whatever the subtype says, so the answer's content-type is always plain, as
  /// grpc-core's is: to repeat the subtype, as grpc-go does, would name a coding that the answer is not in.
  private static func isGRPC(_ value: UnsafeRawBufferPointer) -> Bool {
    let start: StaticString = "application/grpc"
    let count = start.utf8CodeUnitCount
    guard value.count >= count, UnsafeRawBufferPointer(rebasing: value[..<count]).equals(start) else { return false }
    guard value.count > count else { return true }
    return value[count] == UInt8(ascii: "+") || value[count] == UInt8(ascii: ";")
  }

  /// Headers of the protocol itself, which are not the caller's metadata.
  private static func isProtocol(_ name: UnsafeRawBufferPointer) -> Bool {
    switch name.count {
    case 2: name.equals("te")
    case 7: name.equals(":scheme")
    case 10: name.equals(":authority") || name.equals("user-agent")
    case 14: name.equals("content-length")
    default: false
    }
  }

  /// An id that can stand in a log line: at most 128 printable characters without spaces.
  private static func printable(_ value: UnsafeRawBufferPointer) -> String? {
    guard (1...128).contains(value.count), value.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else { return nil }
    return String(decoding: value, as: UTF8.self)
  }
}

extension UnsafeRawBufferPointer {
  func equals(_ text: StaticString) -> Bool {
    guard count == text.utf8CodeUnitCount, let start = baseAddress else { return false }
    return memcmp(start, text.utf8Start, count) == 0
  }
}
