import GRPC

extension ProtoMethod {
  /// The method as the gRPC runtime takes it.
  package var descriptor: MethodDescriptor<Request, Response> {
    MethodDescriptor(path: path, request: .interop, response: .interop)
  }
}

extension MessageCoding where Message: ProtoMessage {
  fileprivate static var interop: MessageCoding {
    MessageCoding(
      decode: { bytes in
        do throws(ProtoError) { return try Message.decode(bytes) } catch { throw RPCError(.internalError, "\(error)") }
      },
      encode: { message, buffer in
        do { try message.append(to: &buffer) } catch { throw RPCError(.internalError, "\(error)") }
      })
  }
}

extension Payload {
  /// Zeros, as the tests send them.
  package init(zeros count: Int) {
    self.init(body: [UInt8](repeating: 0, count: count))
  }
}
