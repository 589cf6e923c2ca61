import Contract
import GRPC
import Postgres
import Proto
import Segmentation

extension MembershipHandlers {
  /// Imports row by row as they arrive; the caller is held back while the database is busy with them.
  func importMemberships(
    _ requests: RequestStream<ImportMembershipsRequest>, _ call: ServerCall
  ) async throws -> ImportMembershipsResponse {
    var iterator = requests.makeAsyncIterator()
    let first = try await iterator.next() ?? ImportMembershipsRequest()
    let options = first.options ?? ImportOptions()
    let session = memberships.beginImport(
      try Segmentation.ImportOptions(options),
      by: try call.caller(requestID: options.requestID, field: "options.request_id"))
    try await session.add(Self.rows(first.rows))
    while let request = try await iterator.next() {
      guard request.options == nil else {
        throw SegmentationError.invalid(field: "options", reason: "may only be in the first message")
      }
      try await session.add(Self.rows(request.rows))
    }
    return ImportMembershipsResponse(try await session.finish())
  }

  private static func rows(_ rows: [Proto.ImportRow]) -> [Segmentation.ImportRow] {
    rows.map { row in
      // What cannot be an instant becomes one that no database has, and is rejected with its row.
      let expiry = row.expiresAt.map { (try? Timestamp($0, field: "expires_at")) ?? .distantFuture }
      return Segmentation.ImportRow(user: row.userID, segment: row.segment, expiresAt: expiry)
    }
  }
}

extension Segmentation.ImportOptions {
  private static let standardRejections: Int32 = 1000
  private static let mostRejections: Int32 = 100_000

  fileprivate init(_ options: Proto.ImportOptions) throws(SegmentationError) {
    guard options.maxRejections >= 0 else {
      throw .invalid(field: "options.max_rejections", reason: "must not be negative")
    }
    self.init(
      createUsers: options.createUsers, createSegments: options.createSegments,
      presentPolicy: try PresentPolicy(options.presentPolicy, unspecified: .keep, field: "options.present_policy"),
      maximumRejections: Int(
        options.maxRejections == 0 ? Self.standardRejections : min(options.maxRejections, Self.mostRejections)),
      validateOnly: options.validateOnly)
  }
}

private typealias ImportOptions = Proto.ImportOptions
private typealias PresentPolicy = Segmentation.PresentPolicy

extension ImportMembershipsResponse {
  fileprivate init(_ summary: ImportSummary) {
    self.init(
      rows: summary.rows, assigned: summary.assigned, renewed: summary.renewed,
      alreadyPresent: summary.alreadyPresent, rejected: summary.rejected, usersOnly: summary.usersOnly,
      usersCreated: summary.usersCreated, segmentsCreated: summary.segmentsCreated,
      rejections: summary.rejections.map { Proto.ImportRejection($0) }, auditToken: summary.token?.text ?? "")
  }
}

extension Proto.ImportRejection {
  fileprivate init(_ rejection: Segmentation.ImportRejection) {
    let reason: ImportRejectionReason =
      switch rejection.reason {
      case .invalidUser: .invalidUser
      case .invalidSlug: .invalidSlug
      case .invalidExpiry: .invalidExpiry
      case .userNotFound: .userNotFound
      case .segmentNotFound: .segmentNotFound
      case .alreadyPresent: .alreadyPresent
      }
    self.init(row: rejection.row, reason: reason, message: rejection.message)
  }
}
