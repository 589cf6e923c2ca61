import EventLoop
import Metrics

/// The names and labels are those of grpc-ecosystem's middleware for Go, so that dashboards and alerts made for it fit.
private enum Families {
  static let started = MetricFamily("grpc_server_started_total", .counter, "Calls that were started on the server")
  static let handled = MetricFamily(
    "grpc_server_handled_total", .counter, "Calls that were completed on the server, whatever their status")
  static let seconds = MetricFamily(
    "grpc_server_handling_seconds", .histogram,
    "How long calls took, from the arrival of their headers until their status was written")
  static let received = MetricFamily(
    "grpc_server_msg_received_total", .counter, "Messages of callers that handlers took")
  static let sent = MetricFamily("grpc_server_msg_sent_total", .counter, "Messages that handlers sent")
  static let running = MetricFamily("segmentd_grpc_calls_running", .gauge, "Calls that have not ended")
  static let handshakesFailed = MetricFamily(
    "segmentd_tls_handshakes_failed_total", .counter, "TLS handshakes that failed or took too long")
}

extension GRPCServer {
  /// Fills in a set with what the server's share on one loop has counted; to be called on that loop.
  package typealias Collector = @Sendable (inout MetricSet) -> Void

  /// One for each loop.
  package var collectors: [(loop: EventLoop, collect: Collector)] {
    shares.map { share in (share.loop, { share.collect(into: &$0) }) }
  }
}

extension ServerLoop {
  func collect(into set: inout MetricSet) {
    collectConnections(into: &set)
    if configuration.tls != nil { set.add(Families.handshakesFailed, handshakesFailed) }
    for statistics in router.statistics { statistics.collect(into: &set) }
  }
}

extension MethodStatistics {
  fileprivate func collect(into set: inout MetricSet) {
    let ended = handled.reduce(0) { $0 &+ $1.count }
    let type = kind.rawValue
    set.add(Families.started, started, ["grpc_type": type, "grpc_service": service, "grpc_method": method])
    for (code, histogram) in zip(StatusCode.known, handled) where !histogram.isEmpty || code == .ok {
      let name = code.metricName
      set.add(
        Families.handled, histogram.count,
        ["grpc_type": type, "grpc_service": service, "grpc_method": method, "grpc_code": name])
      guard !histogram.isEmpty else { continue }
      set.add(
        Families.seconds, histogram,
        ["grpc_type": type, "grpc_service": service, "grpc_method": method, "grpc_code": name])
    }
    set.add(Families.received, received, ["grpc_type": type, "grpc_service": service, "grpc_method": method])
    set.add(Families.sent, sent, ["grpc_type": type, "grpc_service": service, "grpc_method": method])
    set.add(Families.running, started &- ended)
  }
}

extension StatusCode {
  /// `InvalidArgument`, as grpc-go spells it and with it the field's metrics.
  fileprivate var metricName: String {
    switch self {
    case .ok: "OK"
    // The one word that Go spells with one L.
    case .cancelled: "Canceled"
    default: description.split(separator: "_").map { $0.prefix(1) + $0.dropFirst().lowercased() }.joined()
    }
  }
}
