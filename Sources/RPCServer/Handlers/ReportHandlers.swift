import Contract
import GRPC
import Postgres
import Proto
import Segmentation

/// The calls about reports of `segmentation.v1.AuditService`, on one loop.
struct ReportHandlers: Sendable {
  private static let standardLife = Duration.seconds(24 * 3600)

  let reports: ReportStore
  let audit: AuditStore
  let desk: ReportDesk

  func register(on router: Router) {
    router.unary(AuditService.Methods.createAuditReport.descriptor) { try await createAuditReport($0, $1) }
    router.unary(AuditService.Methods.getAuditReport.descriptor) { try await getAuditReport($0, $1) }
  }

  private func createAuditReport(
    _ request: CreateAuditReportRequest, _ call: ServerCall
  ) async throws -> CreateAuditReportResponse {
    let order = try await order(request, call)
    let holder: ReportHolder
    do { holder = try desk.holder(for: order.destination) } catch {
      throw RPCError(.failedPrecondition, error.description)
    }
    let report = try await reports.create(order, for: holder, by: call.caller(requestID: request.requestID))
    desk.ordered()
    return CreateAuditReportResponse(report: try await message(report, call))
  }

  private func getAuditReport(
    _ request: GetAuditReportRequest, _ call: ServerCall
  ) async throws -> GetAuditReportResponse {
    let report = try await reports.get(request.reportID, deadline: call.deadline)
    return GetAuditReportResponse(report: try await message(report, call))
  }

  private func order(_ request: CreateAuditReportRequest, _ call: ServerCall) async throws -> ReportOrder {
    let (from, until) = try Self.period(request.period)
    var users: Set<UserID>?
    if !request.userIDs.isEmpty {
      users = Set(try request.userIDs.enumerated().map { try UserID($1, field: "user_ids[\($0)]") })
    }
    var segments: Set<SegmentID>?
    if !request.segments.isEmpty {
      let references = try request.segments.enumerated().map { try SegmentReference($1, field: "segments[\($0)]") }
      segments = try await audit.segments(named: references, deadline: call.deadline)
    }
    let order = try ReportOrder(
      from: from, until: until, users: users, segments: segments, format: Self.format(request.format),
      isPacked: request.compress, destination: Self.destination(request.destination), life: Self.life(request.ttl))
    return order
  }

  private static func period(
    _ period: CreateAuditReportRequest.PeriodChoice?
  ) throws(SegmentationError) -> (from: Timestamp?, until: Timestamp?) {
    switch period {
    case nil: throw .invalid(field: "period", reason: "must be a month or a range")
    case .month(let month):
      guard (1...9998).contains(month.year) else {
        throw .invalid(field: "month.year", reason: "must be from 1 to 9998")
      }
      guard (1...12).contains(month.month) else {
        throw .invalid(field: "month.month", reason: "must be from 1 to 12")
      }
      let (year, number) = (Int64(month.year), Int64(month.month))
      return (instant(year, number), number == 12 ? instant(year + 1, 1) : instant(year, number + 1))
    case .range(let range):
      return (
        try range.startTime.map { time throws(SegmentationError) in try Timestamp(time, field: "range.start_time") },
        try range.endTime.map { time throws(SegmentationError) in try Timestamp(time, field: "range.end_time") }
      )
    }
  }

  /// The beginning of a month, UTC.
  private static func instant(_ year: Int64, _ month: Int64) -> Timestamp {
    // Days from 1970 by counting years from March on, so that the leap day is a year's last.
    let y = month > 2 ? year : year - 1
    let m = month > 2 ? month - 3 : month + 9
    let days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 - 719_468
    return Timestamp(microseconds: days * 86_400_000_000)
  }

  private static func format(_ format: AuditReportFormat) throws(SegmentationError) -> ReportFormat {
    switch format {
    case .unspecified, .csv: return .csv
    case .jsonLines: return .jsonLines
    default: throw .invalid(field: "format", reason: "is unknown")
    }
  }

  private static func destination(
    _ destination: AuditReportDestination
  ) throws(SegmentationError) -> ReportDestination {
    switch destination {
    case .unspecified, .server: return .server
    case .bucket: return .bucket
    default: throw .invalid(field: "destination", reason: "is unknown")
    }
  }

  private static func life(_ ttl: ProtoDuration?) throws(SegmentationError) -> Duration {
    guard let ttl else { return standardLife }
    guard let microseconds = try? ttl.microseconds() else { throw .invalid(field: "ttl", reason: "is out of range") }
    return .microseconds(microseconds)
  }

  private func message(_ report: Report, _ call: ServerCall) async throws -> AuditReport {
    return AuditReport(
      id: report.id, state: AuditReportState(rawValue: Int32(report.state.rawValue)), url: try await url(report, call),
      expireTime: ProtoTimestamp(report.expiresAt), count: report.count, sizeBytes: report.size,
      digest: report.digest, createTime: ProtoTimestamp(report.createdAt), error: report.error)
  }

  /// The same one whenever it is asked for.
  private func url(_ report: Report, _ call: ServerCall) async throws -> String {
    // Rounded up: the link is good for at least as long as the report.
    let expiry = (report.expiresAt.microseconds + 999_999) / 1_000_000
    guard report.destination == .bucket else {
      return try ReportLink.url(
        base: report.baseURL, fileName: report.fileName, expiry: expiry,
        key: try await reports.key(deadline: call.deadline))
    }
    guard let bucket = desk.bucket, bucket.address.text == report.baseURL else {
      throw RPCError(.failedPrecondition, "the report is in a bucket that this server is not set up with")
    }
    let begin = report.createdAt.microseconds / 1_000_000
    return try bucket.link(to: report.fileName, from: begin, for: expiry - begin)
  }
}
