import Contract
import GRPC
import Logging
import Proto
import Segmentation

/// The one place where the domain's errors become gRPC statuses with `google.rpc` details.
struct StatusMapping: Sendable {
  let logger: Logger

  /// What every error has: the call's id, when to try again where that may help, and the limit that was exceeded.
  static func completed(_ error: RPCError, in call: ServerCall) -> RPCError {
    var more = [ProtoAny].packing(GoogleRPCRequestInfo(requestID: call.requestID))
    if error.details.isEmpty {
      if error.code == .unavailable { more += .retry(after: .seconds(1)) }
      if [.messageTooLarge, .metadataTooLarge].contains(error.reason) {
        more += quota(error.reason == .messageTooLarge ? "message size" : "metadata size", error.message)
      }
    }
    return error.adding(more)
  }

  /// Anything unknown is INTERNAL with the request id; the log has the rest.
  func status(of error: any Error, in call: ServerCall) -> RPCError {
    guard let error = error as? SegmentationError else { return unknown("\(error)", in: call) }
    switch error {
    case .internal(let text): return unknown(text, in: call)
    case .unavailable, .notMigrated, .schemaMismatch:
      logger.warning("\(error)", metadata: ["path": "\(call.path)", "request_id": "\(call.requestID)"])
      return Self.status(of: error)
    default: return Self.status(of: error)
    }
  }

  private func unknown(_ text: String, in call: ServerCall) -> RPCError {
    logger.error("\(text)", metadata: ["path": "\(call.path)", "request_id": "\(call.requestID)"])
    return RPCError(.internalError, "internal error, request id \(call.requestID)")
  }

  static func status(of error: SegmentationError) -> RPCError {
    let text = error.description
    switch error {
    case .invalid(let field, let reason):
      return RPCError(violations: [.init(field: field, description: reason)])
    case .segmentNotFound(let reference):
      return RPCError(.notFound, text, with: resource("Segment", reference.description, reason: "SEGMENT_NOT_FOUND"))
    case .segmentAlreadyExists(let slug):
      return RPCError(.alreadyExists, text, with: resource("Segment", slug.text, reason: "SEGMENT_ALREADY_EXISTS"))
    case .segmentChanged(let reference):
      return RPCError(.aborted, text, with: resource("Segment", reference.description, reason: "ETAG_MISMATCH"))
    case .userNotFound(let user):
      return RPCError(.notFound, text, with: resource("User", "\(user)", reason: "USER_NOT_FOUND"))
    case .userAlreadyExists(let user):
      return RPCError(.alreadyExists, text, with: resource("User", "\(user)", reason: "USER_ALREADY_EXISTS"))
    case .membershipAlreadyExists(let user, let segments):
      let names = segments.map { "\(user)/\($0)" }
      return RPCError(.alreadyExists, text, with: resources("Membership", names, reason: "MEMBERSHIP_ALREADY_EXISTS"))
    case .membershipNotFound(let user, let segments):
      let names = segments.map { "\(user)/\($0)" }
      return RPCError(.notFound, text, with: resources("Membership", names, reason: "MEMBERSHIP_NOT_FOUND"))
    case .reportNotFound(let id):
      return RPCError(.notFound, text, with: resource("AuditReport", id, reason: "REPORT_NOT_FOUND"))
    case .tooManyReports:
      return RPCError(.resourceExhausted, text, with: .reason("TOO_MANY_REPORTS") + quota("audit reports", text))
    case .consumerNotFound(let consumer):
      return RPCError(.notFound, text, with: resource("AuditConsumer", consumer.text, reason: "CONSUMER_NOT_FOUND"))
    case .tokenTooOld(_, let earliest):
      return RPCError(.outOfRange, text, with: tooOld(earliest, reason: "AUDIT_TOKEN_TOO_OLD"))
    case .auditDropped(let earliest):
      return RPCError(.outOfRange, text, with: tooOld(earliest, reason: "AUDIT_RECORDS_DROPPED"))
    case .requestIDReused:
      return RPCError(
        violations: [.init(field: "request_id", description: "was used for another request")],
        reason: "REQUEST_ID_REUSED")
    case .unavailable:
      return RPCError(.unavailable, text, with: .reason("DATABASE_UNAVAILABLE") + .retry(after: .seconds(1)))
    case .unsettled:
      return RPCError(.unavailable, text, with: .reason("CHANGES_UNDER_WAY") + .retry(after: .seconds(1)))
    case .exhausted(let delay):
      return RPCError(
        .resourceExhausted, text,
        with: .reason("DATABASE_BUSY") + .retry(after: delay) + quota("database connections", text))
    case .deadlineExceeded: return RPCError(.deadlineExceeded, text)
    case .cancelled: return RPCError(.cancelled, text)
    case .aborted:
      return RPCError(.aborted, text, with: .reason("CONCURRENT_CHANGES") + .retry(after: .milliseconds(100)))
    case .notMigrated: return precondition(text, "the database needs `segmentd migrate up`")
    case .schemaMismatch:
      // What exactly is missing is in the log.
      return precondition("the database's schema is not what this server expects", "see `segmentd migrate status`")
    case .internal: return RPCError(.internalError, "internal error")
    }
  }

  private static func tooOld(_ earliest: String, reason: String) -> [ProtoAny] {
    .packing(GoogleRPCErrorInfo(reason: reason, domain: RPCError.domain, metadata: ["earliest_token": earliest]))
  }

  private static func resource(_ type: String, _ name: String, reason: String) -> [ProtoAny] {
    resources(type, [name], reason: reason)
  }

  private static func resources(_ type: String, _ names: [String], reason: String) -> [ProtoAny] {
    .reason(reason)
      + names.flatMap { [ProtoAny].packing(GoogleRPCResourceInfo(resourceType: type, resourceName: $0)) }
  }

  private static func quota(_ subject: String, _ description: String) -> [ProtoAny] {
    .packing(GoogleRPCQuotaFailure(violations: [.init(subject: subject, description: description)]))
  }

  private static func precondition(_ text: String, _ remedy: String) -> RPCError {
    let violation = GoogleRPCPreconditionFailure.Violation(
      type: "MIGRATION", subject: "segmentd.migrations", description: remedy)
    return RPCError(
      .failedPrecondition, text,
      with: .reason("SCHEMA_MISMATCH") + .packing(GoogleRPCPreconditionFailure(violations: [violation])))
  }
}
