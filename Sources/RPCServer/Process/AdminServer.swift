import EventLoop
import Logging
import Metrics

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// What operators ask over HTTP. Confined to its loop.
///
///     GET /healthz           the process answers
///     GET /readyz            it can do its work; 503 names what is missing
///     GET /metrics           everything that was counted, for Prometheus
///     GET, PUT /loglevel     the least severe level that is logged
///     GET /reports/...       a report of the audit log, for whoever has its link
final class AdminServer: @unchecked Sendable {
  typealias Response = HTTPServer.Response

  private let loop: EventLoop
  private let readiness: Readiness
  private let metrics: MetricsGatherer
  private let reports: ReportDesk
  private let level: LogLevel
  private let logger: Logger
  private var server: HTTPServer?

  /// - Throws: `SocketError` when the address cannot be had.
  init(
    at endpoint: Endpoint, on loop: EventLoop, readiness: Readiness, metrics: MetricsGatherer, reports: ReportDesk,
    level: LogLevel, logger: Logger
  ) throws {
    self.loop = loop
    self.readiness = readiness
    self.metrics = metrics
    self.reports = reports
    self.level = level
    self.logger = logger
    let addresses = try SocketAddress.resolve(endpoint)
    server = try HTTPServer(at: addresses[0], on: loop) { [unowned self] in answer($0, $1) }
  }

  var address: SocketAddress? { server?.address }

  /// Takes no more requests.
  func stop() {
    server = nil
  }

  private func answer(_ request: HTTPServer.Request, _ exchange: HTTPExchange) {
    let isReading = request.method == "GET" || request.method == "HEAD"
    switch request.path {
    case "/healthz" where isReading: exchange.reply(Response(body: "ok\n"))
    case "/readyz" where isReading: exchange.reply(ready())
    case "/metrics" where isReading: answerMetrics(exchange)
    case "/loglevel" where isReading: exchange.reply(Response(body: "\(level.current)\n"))
    case "/loglevel" where request.method == "PUT" || request.method == "POST": exchange.reply(setLevel(request.body))
    case let path where path.hasPrefix(ReportLink.prefix) && isReading: answerReport(request, exchange)
    case "/healthz", "/readyz", "/metrics": exchange.reply(Self.refusal("GET, HEAD"))
    case "/loglevel": exchange.reply(Self.refusal("GET, HEAD, PUT, POST"))
    default: exchange.reply(Response(status: 404, body: "try /healthz, /readyz, /metrics or /loglevel\n"))
    }
  }

  /// A good link to a report that is not there yet is worth another try: `curl --retry` waits for it.
  private func answerReport(_ request: HTTPServer.Request, _ exchange: HTTPExchange) {
    let later = Response(status: 503, body: "not ready yet\n", headers: [("Retry-After", "1")])
    guard let key = reports.key else { return exchange.reply(later) }
    let verdict = try? ReportLink.verify(path: request.path, query: request.query, key: key, now: Int64(time(nil)))
    switch verdict {
    case .good(let name):
      let isSent = exchange.reply(
        file: reports.directory.file(name), contentType: ReportLink.contentType(of: name),
        headers: [
          ("Content-Disposition", "attachment; filename=\"\(name)\""), ("Cache-Control", "private, no-store"),
          ("X-Content-Type-Options", "nosniff"),
        ])
      if !isSent { exchange.reply(later) }
    case .expired: exchange.reply(Response(status: 410, body: "this link has expired\n"))
    case .forged, nil: exchange.reply(Response(status: 403, body: "this is not the link of a report\n"))
    }
  }

  private func ready() -> Response {
    guard let missing = readiness.missing else { return Response(body: "ready\n") }
    return Response(status: 503, body: "not ready: \(missing)\n")
  }

  private func answerMetrics(_ exchange: HTTPExchange) {
    loop.spawn { [metrics] in
      let set = await metrics.gather()
      exchange.reply(Response(contentType: MetricSet.contentType, body: set.text))
    }
  }

  /// The body is a level, alone or as `level=debug`.
  private func setLevel(_ body: [UInt8]) -> Response {
    let text = String(decoding: body, as: UTF8.self)
    let word = text.split { $0.isWhitespace }.first.map(String.init) ?? ""
    let name = word.hasPrefix("level=") ? String(word.dropFirst("level=".count)) : word
    guard let wanted = Logger.Level(rawValue: name.lowercased()) else {
      let names = Logger.Level.allCases.map(\.rawValue).joined(separator: ", ")
      return Response(status: 400, body: "the body must be one of \(names)\n")
    }
    let before = level.current
    // Told at a level that one of the two shows.
    level.current = min(before, wanted)
    logger.log(level: max(level.current, .notice), "the log level is \(wanted) now", metadata: ["before": "\(before)"])
    level.current = wanted
    return Response(body: "\(wanted)\n")
  }

  private static func refusal(_ allowed: String) -> Response {
    Response(status: 405, body: "this takes \(allowed)\n", headers: [("Allow", allowed)])
  }
}
