import GRPC
import Proto

extension RPCError {
  /// A status with `google.rpc` details that a caller can act on.
  package init(_ code: StatusCode, _ message: String, with details: [ProtoAny]) {
    let status = GoogleRPCStatus(code: Int32(code.rawValue), message: message, details: details)
    // Details that cannot be encoded (a text with U+0000) are worth less than the status itself.
    self.init(code, message, details: (try? status.encoded()) ?? [])
  }

  /// INVALID_ARGUMENT with `google.rpc.BadRequest`; the message names the first violation.
  package init(violations: [GoogleRPCBadRequest.FieldViolation]) {
    let message = violations.first.map { "\($0.field) \($0.description)" } ?? "invalid request"
    let details = GoogleRPCBadRequest(fieldViolations: violations)
    self.init(.invalidArgument, message, with: .packing(details))
  }

  /// A detail of the status, nil when the server sent none of that type.
  package func detail<Detail: ProtoMessage>(_ type: Detail.Type = Detail.self) -> Detail? {
    guard !details.isEmpty, let status = try? GoogleRPCStatus(decoding: details) else { return nil }
    return status.details.lazy.compactMap { try? $0.unpacked(as: Detail.self) }.first
  }
}

extension [ProtoAny] {
  /// The messages in Anys, those that cannot be encoded left out.
  package static func packing(_ messages: any ProtoMessage...) -> [ProtoAny] {
    messages.compactMap { try? ProtoAny(packing: $0) }
  }
}
