import ArgumentParser
import Contract
import EventLoop
import Proto

extension AuditCommand {
  struct ReportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "report", abstract: "Make a report of the audit log that is fetched by a link.",
      subcommands: [Create.self, Get.self])

    struct Create: ClientCommand {
      static let configuration = CommandConfiguration(
        abstract: "Order a report of a month or a range, and wait until its link answers.",
        discussion: """
          The link needs no other permission, until it expires.

          curl -fO "$(segctl audit report create --month 2026-05 --print-url)"
          segctl audit report create --from 2026-05-01 --user 42 --contents jsonl --gzip
          """)

      @Option(help: ArgumentHelp("A calendar month, UTC.", valueName: "YYYY-MM"))
      var month: MonthArgument?
      @Option(help: ArgumentHelp("From this instant or date on, instead of a month.", valueName: "instant"))
      var from: InstantArgument?
      @Option(
        help: ArgumentHelp("Up to this instant or date, without it; now when it is left out.", valueName: "instant"))
      var to: InstantArgument?
      @Option(help: ArgumentHelp("Only this user. Repeatable.", valueName: "id"))
      var user: [Int64] = []
      @Option(help: ArgumentHelp("Only this segment: a slug, or id:NUMBER. Repeatable.", valueName: "segment"))
      var segment: [SegmentArgument] = []
      @Option(help: ArgumentHelp("How the report is written.", valueName: "format"))
      var contents = ReportContents.csv
      @Flag(help: "Pack it with gzip.")
      var gzip = false
      @Flag(help: "Keep it in the bucket that the server is set up with, and fetch it from there.")
      var bucket = false
      @Option(
        help: ArgumentHelp("How long the link is good for: 1s to 7d; 24h when left out.", valueName: "duration"),
        transform: { try Span.microseconds($0) })
      var ttl: Int64?
      @Option(help: ArgumentHelp("The same one again gives the same report.", valueName: "id"))
      var requestID = ""
      @Flag(help: "Do not wait until it is made.")
      var noWait = false
      @Flag(help: "Print the link and nothing else.")
      var printURL = false
      @OptionGroup var output: OutputOptions
      @OptionGroup var connectionOptions: ConnectionOptions

      func validate() throws {
        guard (month == nil) != (from == nil && to == nil) else {
          throw ValidationError("Give either --month, or --from, --to or both.")
        }
      }

      func run(on connection: Connection) async throws -> ExitStatus {
        let period: CreateAuditReportRequest.PeriodChoice =
          month.map { .month($0.value) } ?? .range(AuditTimeRange(startTime: from?.timestamp, endTime: to?.timestamp))
        let response = try await connection.unary(
          AuditService.Methods.createAuditReport,
          CreateAuditReportRequest(
            period: period, userIDs: user, segments: segment.map(\.selector), format: contents.format,
            destination: bucket ? .bucket : .server, compress: gzip,
            ttl: try ttl.map { try ProtoDuration(microseconds: $0) }, requestID: requestID))
        var report = response.report ?? AuditReport()
        if !noWait { report = try await ReportCommand.wait(for: report, on: connection) }
        try await ReportCommand.print(report, output.format, onlyURL: printURL, on: connection)
        return try ReportCommand.status(of: report)
      }
    }

    struct Get: ClientCommand {
      static let configuration = CommandConfiguration(
        abstract: "Show how far a report has come.",
        discussion: "segctl audit report get ab8244694b95f098fc1007745f96a750 --wait --print-url")

      @Argument(help: "The report's id.")
      var id: String
      @Flag(help: "Wait until it is made.")
      var wait = false
      @Flag(help: "Print the link and nothing else.")
      var printURL = false
      @OptionGroup var output: OutputOptions
      @OptionGroup var connectionOptions: ConnectionOptions

      func run(on connection: Connection) async throws -> ExitStatus {
        var report = try await ReportCommand.get(id, on: connection)
        if wait { report = try await ReportCommand.wait(for: report, on: connection) }
        try await ReportCommand.print(report, output.format, onlyURL: printURL, on: connection)
        return try ReportCommand.status(of: report)
      }
    }
  }
}

extension AuditCommand.ReportCommand {
  private static let firstPause = Duration.milliseconds(20)
  private static let longestPause = Duration.seconds(1)

  fileprivate static func get(_ id: String, on connection: Connection) async throws -> AuditReport {
    let response = try await connection.unary(
      AuditService.Methods.getAuditReport, GetAuditReportRequest(reportID: id))
    return response.report ?? AuditReport()
  }

  /// Asks again until it is made or has failed.
  fileprivate static func wait(for report: AuditReport, on connection: Connection) async throws -> AuditReport {
    var report = report
    var pause = firstPause
    while report.state == .pending || report.state == .running {
      try await connection.loop.sleep(for: pause)
      pause = min(pause * 2, longestPause)
      report = try await get(report.id, on: connection)
    }
    return report
  }

  fileprivate static func print(
    _ report: AuditReport, _ format: OutputFormat, onlyURL: Bool, on connection: Connection
  ) async throws {
    let output = OutputFile.standardOutput(on: connection.loop)
    guard onlyURL else { return try await format.print(one: ReportRecord(report), to: output) }
    guard report.state != .failed else { return }
    try await output.write(Array("\(report.url)\n".utf8))
    try await output.finish()
  }

  /// - Throws: `Failure` with the report's own reason.
  fileprivate static func status(of report: AuditReport) throws -> ExitStatus {
    guard report.state == .failed else { return .success }
    throw Failure(.serverFailure, Text.printable("the report could not be made: \(report.error)"))
  }
}

/// A calendar month, `2026-05`.
struct MonthArgument: ExpressibleByArgument, Sendable {
  let value: AuditMonth

  init?(argument: String) {
    let parts = argument.split(separator: "-", omittingEmptySubsequences: false)
    guard parts.count == 2, parts[0].utf8.count == 4, parts[1].utf8.count == 2, let year = Int32(parts[0]),
      let month = Int32(parts[1]), year > 0, (1...12).contains(month)
    else { return nil }
    value = AuditMonth(year: year, month: month)
  }
}

/// How a report is written.
enum ReportContents: String, CaseIterable, ExpressibleByArgument, Sendable {
  case csv, jsonl

  var format: AuditReportFormat { self == .csv ? .csv : .jsonLines }
}

/// A report as it is printed.
struct ReportRecord: Record {
  static let columns: [Column] = [
    "id", "state", .number("count"), .number("size_bytes"), "expire_time", "url",
  ]

  let id: String
  let state: String
  let count: Int64
  let sizeBytes: Int64
  let createTime: String?
  let expireTime: String?
  let digest: String?
  let error: String?
  let url: String

  init(_ report: AuditReport) {
    id = report.id
    state = report.state.name
    count = report.count
    sizeBytes = report.sizeBytes
    createTime = report.createTime.map(StampFormatter.string)
    expireTime = report.expireTime.map(StampFormatter.string)
    digest = report.digest.isEmpty ? nil : Text.hex(report.digest)
    error = report.error.isEmpty ? nil : report.error
    url = report.url
  }

  var cells: [String] {
    [id, state, "\(count)", "\(sizeBytes)", expireTime ?? "", url]
  }
}
