import GRPC
import Proto

extension ProtoMethod {
  /// The method as the gRPC runtime takes it: server and client get it from here alone.
  package var descriptor: MethodDescriptor<Request, Response> {
    MethodDescriptor(path: path, request: .proto, response: .proto)
  }
}

extension MessageCoding where Message: ProtoMessage {
  /// Protobuf on the wire. What is not such a message is INVALID_ARGUMENT, and the field is named where there is one.
  package static var proto: MessageCoding {
    MessageCoding(
      decode: { bytes in
        do throws(ProtoError) { return try Message.decode(bytes) } catch { throw RPCError(decoding: error) }
      },
      encode: { message, buffer in
        do { try message.append(to: &buffer) } catch { throw RPCError(.internalError, "the message cannot be encoded") }
      })
  }
}

extension RPCError {
  /// Bytes of the peer that are not the message they should be.
  package init(decoding error: ProtoError) {
    switch error {
    case .malformed(let message):
      self.init(.invalidArgument, "the body is not a \(message)", reason: "MALFORMED_MESSAGE")
    case .invalidUTF8(let field):
      self.init(violations: [.init(field: field, description: "must be UTF-8")])
    case .containsNUL(let field):
      self.init(violations: [.init(field: field, description: "must not contain U+0000")])
    case .tooLarge(let limit):
      self.init(
        .resourceExhausted, "decoding the message would take more than \(limit) bytes", reason: .messageTooLarge)
    case .outOfRange(let message):
      self.init(.invalidArgument, "a \(message) is out of its range", reason: "MALFORMED_MESSAGE")
    case .otherType(let url):
      self.init(.invalidArgument, "an Any holds \(url)", reason: "MALFORMED_MESSAGE")
    }
  }
}
