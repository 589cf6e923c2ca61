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
  static let errors = MetricFamily(
    "segmentd_grpc_protocol_errors_total", .counter, "Connections that ended as the client broke the protocol")
  static let streamLimit = MetricFamily(
    "segmentd_grpc_streams_refused_total", .counter, "Streams over --max-concurrent-streams")
  static let streamsReset = MetricFamily(
    "segmentd_grpc_streams_reset_total", .counter, "Streams that the server reset with an error")
  static let requests = MetricFamily(
    "segmentd_grpc_requests_refused_total", .counter, "Requests that were no gRPC calls")
  static let messages = MetricFamily(
    "segmentd_grpc_messages_refused_total", .counter, "Calls with a message over --max-message-size")
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
      ("crowded", now.connectionsCrowded), ("keepalive", now.keepalivesTimedOut), ("idle", now.connectionsIdle),
      ("age", now.connectionsAged), ("age_grace", now.connectionsOverdue),
    ] {
      set.add(Families.ended, count, ["reason": reason])
    }
    for (kind, count) in [
      ("ping", now.pingFloods), ("settings", now.settingsFloods), ("reset", now.resetFloods),
      ("empty_frame", now.emptyFrameFloods), ("continuation", now.continuationFloods), ("unread", now.unreadFloods),
    ] {
      set.add(Families.floods, count, ["kind": kind])
    }
    for (code, count) in [
      ("BAD_PREFACE", now.badPrefaces), ("PROTOCOL_ERROR", now.protocolErrors),
      ("FLOW_CONTROL_ERROR", now.flowControlErrors), ("STREAM_CLOSED", now.closedStreamErrors),
      ("FRAME_SIZE_ERROR", now.frameSizeErrors), ("COMPRESSION_ERROR", now.compressionErrors),
      ("OTHER", now.otherErrors),
    ] {
      set.add(Families.errors, count, ["code": code])
    }
    set.add(Families.streams, now.streams)
    set.add(Families.handlers, now.runningHandlers)
    set.add(Families.waiting, now.waitingHandlers)
    set.add(Families.delayed, now.handlersDelayed)
    set.add(Families.overload, now.handlersRefused + now.streamsRefused)
    set.add(Families.input, now.inputsRefused)
    set.add(Families.metadata, now.headerListsRefused)
    set.add(Families.messages, now.messagesRefused)
    set.add(Families.streamLimit, now.streamsOverLimit)
    set.add(Families.streamsReset, now.streamsReset)
    for (reason, count) in [("method", now.methodsRefused), ("content_type", now.contentTypesRefused)] {
      set.add(Families.requests, count, ["reason": reason])
    }
  }
}
