import Metrics

private enum Families {
  static let open = MetricFamily("segmentd_grpc_connections_open", .gauge, "Connections that are open")
  static let accepted = MetricFamily(
    "segmentd_grpc_connections_accepted_total", .counter, "Connections that were accepted")
  static let refused = MetricFamily(
    "segmentd_grpc_connections_refused_total", .counter, "Connections over --max-connections")
  static let ended = MetricFamily(
    "segmentd_grpc_connections_ended_total", .counter, "Connections that the server ended for a limit's sake")
  static let floods = MetricFamily(
    "segmentd_grpc_floods_total", .counter, "Connections that were cut off as the client overdid something")
  static let streams = MetricFamily("segmentd_grpc_streams_open", .gauge, "HTTP/2 streams that are open")
  static let handlers = MetricFamily(
    "segmentd_grpc_handlers_running", .gauge, "Handlers that have not returned, also those whose call is over")
  static let waiting = MetricFamily(
    "segmentd_grpc_handlers_waiting", .gauge, "Calls that wait for another handler of their connection")
  static let delayed = MetricFamily(
    "segmentd_grpc_handlers_delayed_total", .counter, "Calls that had to wait for another handler of their connection")
  static let overload = MetricFamily(
    "segmentd_grpc_calls_refused_total", .counter, "Calls over --max-running-calls")
  static let input = MetricFamily(
    "segmentd_grpc_input_refused_total", .counter, "Calls with which more than --max-queued-input would have waited")
  static let metadata = MetricFamily(
    "segmentd_grpc_metadata_refused_total", .counter, "Calls with more metadata than --max-metadata-size")
}

extension ServerLoop {
  func collectConnections(into set: inout MetricSet) {
    let now = counters
    set.add(Families.open, now.connections)
    set.add(Families.accepted, now.connectionsAccepted)
    set.add(Families.refused, now.connectionsRefused)
    for (reason, count) in [
      ("handshake", now.handshakesTimedOut), ("frame", now.framesTimedOut), ("stalled", now.connectionsStalled),
      ("keepalive", now.keepalivesTimedOut), ("idle", now.connectionsIdle), ("age", now.connectionsAged),
    ] {
      set.add(Families.ended, count, ["reason": reason])
    }
    for (kind, count) in [
      ("ping", now.pingFloods), ("settings", now.settingsFloods), ("reset", now.resetFloods),
      ("empty_frame", now.emptyFrameFloods), ("continuation", now.continuationFloods),
    ] {
      set.add(Families.floods, count, ["kind": kind])
    }
    set.add(Families.streams, now.streams)
    set.add(Families.handlers, now.runningHandlers)
    set.add(Families.waiting, now.waitingHandlers)
    set.add(Families.delayed, now.handlersDelayed)
    set.add(Families.overload, now.handlersRefused + now.streamsRefused)
    set.add(Families.input, now.inputsRefused)
    set.add(Families.metadata, now.headerListsRefused)
  }
}
