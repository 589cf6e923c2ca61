import Contract
import GRPC
import Proto

/// A message of StreamAudit as it arrived. How it is decoded depends on what it is to become.
struct AuditMessage: Sendable {
  /// StreamAudit with responses that are not decoded yet.
  static let method = MethodDescriptor<StreamAuditRequest, AuditMessage>(
    path: AuditService.Methods.streamAudit.path, request: .proto,
    response: MessageCoding(
      decode: { AuditMessage(bytes: [UInt8]($0)) }, encode: { message, buffer in buffer += message.bytes }))

  let bytes: [UInt8]

  /// - Throws: `RPCError`
  func decoded() throws -> StreamAuditResponse {
    do throws(ProtoError) { return try StreamAuditResponse(decoding: bytes) } catch { throw RPCError(decoding: error) }
  }

  /// The same when only the CSV lines are wanted.
  /// - Returns: How many records there were, and the response without them.
  /// - Throws: `RPCError`
  func decoded(into lines: inout [UInt8], _ line: inout AuditLine) throws -> (count: Int, response: StreamAuditResponse)
  {
    do throws(ProtoError) {
      let found = bytes.withUnsafeBytes { bytes in
        Result { () throws(ProtoError) in
          try StreamAuditResponse.decode(bytes) { record in
            line.append(
              userID: record.userID, slug: record.segmentSlug, action: record.action,
              seconds: record.effectiveTime?.seconds, nanos: record.effectiveTime?.nanos ?? 0, to: &lines)
          }
        }
      }
      return try found.get()
    } catch { throw RPCError(decoding: error) }
  }
}
