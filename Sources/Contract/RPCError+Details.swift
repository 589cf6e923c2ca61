import GRPC
import Proto

extension RPCError {
  /// What `google.rpc.ErrorInfo` names as the source of our reasons.
  package static let domain = "segmentation.v1"

  /// A status with `google.rpc` details that a caller can act on.
  package init(_ code: StatusCode, _ message: String, with details: [ProtoAny]) {
    let status = GoogleRPCStatus(code: Int32(code.rawValue), message: message, details: details)
    // Details that cannot be encoded (a text with U+0000) are worth less than the status itself.
    self.init(code, message, details: (try? status.encoded()) ?? [])
  }

  /// INVALID_ARGUMENT with `google.rpc.BadRequest`; the message names the first violation.
  package init(violations: [GoogleRPCBadRequest.FieldViolation], reason: String = "INVALID_FIELD") {
    let message = violations.first.map { "\($0.field) \($0.description)" } ?? "invalid request"
    let details = GoogleRPCBadRequest(fieldViolations: violations)
    self.init(.invalidArgument, message, with: .reason(reason) + .packing(details))
  }

  /// The same with more details behind those that it has; when it has none, also with its reason or the name of its code.
  package func adding(_ more: [ProtoAny]) -> RPCError {
    var error = self
    if details.isEmpty {
      let reason = reason.isEmpty ? code.description : reason
      let status = GoogleRPCStatus(code: Int32(code.rawValue), message: message, details: .reason(reason) + more)
      error.details = (try? status.encoded()) ?? []
    } else {
      // A repeated field goes on where the bytes of another message with more of it are appended.
      error.details += (try? GoogleRPCStatus(details: more).encoded()) ?? []
    }
    return error
  }

  /// A detail of the status, nil when the server sent none of that type.
  package func detail<Detail: ProtoMessage>(_ type: Detail.Type = Detail.self) -> Detail? {
    guard !details.isEmpty, let status = try? GoogleRPCStatus(decoding: details) else { return nil }
    return status.details.lazy.compactMap { try? $0.unpacked(as: Detail.self) }.first
  }
}

extension [ProtoAny] {
  /// `google.rpc.ErrorInfo` with a reason of ours.
  package static func reason(_ reason: String) -> [ProtoAny] {
    .packing(GoogleRPCErrorInfo(reason: reason, domain: RPCError.domain, metadata: [:]))
  }

  /// `google.rpc.RetryInfo`.
  package static func retry(after delay: Duration) -> [ProtoAny] {
    let (seconds, attoseconds) = delay.components
    let nanos = Int32(attoseconds / 1_000_000_000)
    return .packing(GoogleRPCRetryInfo(retryDelay: ProtoDuration(seconds: seconds, nanos: nanos)))
  }

  /// The messages in Anys, those that cannot be encoded left out.
  package static func packing(_ messages: any ProtoMessage...) -> [ProtoAny] {
    messages.compactMap { try? ProtoAny(packing: $0) }
  }
}
