import GRPC
import Segmentation

extension ServerCall {
  /// Who calls, as the caller says: there is no authentication yet.
  private static let actorName = "x-segmentd-actor"

  /// The caller as the domain knows it, for a call without an idempotency key.
  var caller: Caller {
    Caller(actor: metadata[Self.actorName] ?? "anonymous", deadline: deadline)
  }

  /// - Parameters:
  ///   - requestID: The request's field, empty for none.
  ///   - field: Its path in the request.
  /// - Throws: `SegmentationError.invalid`.
  func caller(requestID: String, field: String = "request_id") throws -> Caller {
    var caller = caller
    caller.requestID = requestID.isEmpty ? nil : try RequestID(requestID, field: field)
    return caller
  }
}
