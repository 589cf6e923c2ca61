/// What one loop has refused its clients so far, and what it carries just now.
package struct ConnectionCounters: Sendable, Hashable {
  // Now.
  package var connections = 0
  package var streams = 0
  /// Handlers that have started and not returned, also those whose stream is gone.
  package var runningHandlers = 0
  /// Calls whose handler waits until another of its connection returns.
  package var waitingHandlers = 0

  // Since the start: connections.
  package var connectionsAccepted = 0
  /// Closed at once, as there were as many as there may be.
  package var connectionsRefused = 0
  /// No HTTP/2 preface and settings in time.
  package var handshakesTimedOut = 0
  /// A frame or header block that did not end in time.
  package var framesTimedOut = 0
  /// The client took nothing of what was queued for it.
  package var connectionsStalled = 0
  /// More was queued for the client than may be, and it took next to nothing of it.
  package var connectionsCrowded = 0
  /// No answer to a keepalive ping.
  package var keepalivesTimedOut = 0
  /// Told to go as they had been without calls for long.
  package var connectionsIdle = 0
  /// Told to go as they had been open for long.
  package var connectionsAged = 0
  /// Told to go, and still there after the grace.
  package var connectionsOverdue = 0

  // Since the start: floods, each of which ended a connection.
  package var pingFloods = 0
  package var settingsFloods = 0
  package var resetFloods = 0
  package var emptyFrameFloods = 0
  package var continuationFloods = 0
  package var unreadFloods = 0

  // Since the start: connections that ended as the client broke the protocol, by the code that it was told.
  package var badPrefaces = 0
  package var protocolErrors = 0
  package var flowControlErrors = 0
  package var closedStreamErrors = 0
  package var frameSizeErrors = 0
  package var compressionErrors = 0
  package var otherErrors = 0

  // Since the start: streams and calls.
  /// The client had opened as many as it may.
  package var streamsOverLimit = 0
  /// Reset, as the client broke the protocol there.
  package var streamsReset = 0
  /// No gRPC: another method than POST, another content-type.
  package var methodsRefused = 0
  package var contentTypesRefused = 0
  /// A message was larger than may be, as it came or inflated.
  package var messagesRefused = 0
  /// Their header list was over the limit.
  package var headerListsRefused = 0
  /// Their handler had to wait for another of the connection.
  package var handlersDelayed = 0
  /// As many streams were open on the loop as handlers may run.
  package var streamsRefused = 0
  /// As many handlers ran as may.
  package var handlersRefused = 0
  /// As much of requests waited as may.
  package var inputsRefused = 0

  package init() {}

  package static func + (one: Self, other: Self) -> Self {
    var sum = one
    for field in Self.fields { sum[keyPath: field.path] += other[keyPath: field.path] }
    return sum
  }

  /// One number of the counters.
  package struct Field: @unchecked Sendable {
    /// In snake case, as metrics are named.
    package let name: String
    package let path: WritableKeyPath<ConnectionCounters, Int>
    /// Whether it goes up and down; else it only goes up.
    package let isGauge: Bool
  }

  package static let fields = [
    Field(name: "connections", path: \.connections, isGauge: true),
    Field(name: "streams", path: \.streams, isGauge: true),
    Field(name: "running_handlers", path: \.runningHandlers, isGauge: true),
    Field(name: "waiting_handlers", path: \.waitingHandlers, isGauge: true),
    Field(name: "connections_accepted", path: \.connectionsAccepted, isGauge: false),
    Field(name: "connections_refused", path: \.connectionsRefused, isGauge: false),
    Field(name: "handshakes_timed_out", path: \.handshakesTimedOut, isGauge: false),
    Field(name: "frames_timed_out", path: \.framesTimedOut, isGauge: false),
    Field(name: "connections_stalled", path: \.connectionsStalled, isGauge: false),
    Field(name: "connections_crowded", path: \.connectionsCrowded, isGauge: false),
    Field(name: "keepalives_timed_out", path: \.keepalivesTimedOut, isGauge: false),
    Field(name: "connections_idle", path: \.connectionsIdle, isGauge: false),
    Field(name: "connections_aged", path: \.connectionsAged, isGauge: false),
    Field(name: "connections_overdue", path: \.connectionsOverdue, isGauge: false),
    Field(name: "ping_floods", path: \.pingFloods, isGauge: false),
    Field(name: "settings_floods", path: \.settingsFloods, isGauge: false),
    Field(name: "reset_floods", path: \.resetFloods, isGauge: false),
    Field(name: "empty_frame_floods", path: \.emptyFrameFloods, isGauge: false),
    Field(name: "continuation_floods", path: \.continuationFloods, isGauge: false),
    Field(name: "unread_floods", path: \.unreadFloods, isGauge: false),
    Field(name: "bad_prefaces", path: \.badPrefaces, isGauge: false),
    Field(name: "protocol_errors", path: \.protocolErrors, isGauge: false),
    Field(name: "flow_control_errors", path: \.flowControlErrors, isGauge: false),
    Field(name: "closed_stream_errors", path: \.closedStreamErrors, isGauge: false),
    Field(name: "frame_size_errors", path: \.frameSizeErrors, isGauge: false),
    Field(name: "compression_errors", path: \.compressionErrors, isGauge: false),
    Field(name: "other_errors", path: \.otherErrors, isGauge: false),
    Field(name: "streams_over_limit", path: \.streamsOverLimit, isGauge: false),
    Field(name: "streams_reset", path: \.streamsReset, isGauge: false),
    Field(name: "methods_refused", path: \.methodsRefused, isGauge: false),
    Field(name: "content_types_refused", path: \.contentTypesRefused, isGauge: false),
    Field(name: "messages_refused", path: \.messagesRefused, isGauge: false),
    Field(name: "header_lists_refused", path: \.headerListsRefused, isGauge: false),
    Field(name: "handlers_delayed", path: \.handlersDelayed, isGauge: false),
    Field(name: "streams_refused", path: \.streamsRefused, isGauge: false),
    Field(name: "handlers_refused", path: \.handlersRefused, isGauge: false),
    Field(name: "inputs_refused", path: \.inputsRefused, isGauge: false),
  ]
}

/// The counters of one loop. Confined to its loop.
package final class ConnectionTally: @unchecked Sendable {
  package var counters = ConnectionCounters()

  package init() {}

  func count(_ flood: Flood) {
    switch flood {
    case .pings: counters.pingFloods += 1
    case .settings: counters.settingsFloods += 1
    case .resets: counters.resetFloods += 1
    case .emptyFrames: counters.emptyFrameFloods += 1
    case .continuations: counters.continuationFloods += 1
    case .unread: counters.unreadFloods += 1
    }
  }

  /// A client broke the protocol; its connection ends with this code.
  func count(_ code: HTTP2ErrorCode) {
    switch code {
    case .protocolError: counters.protocolErrors += 1
    case .flowControlError: counters.flowControlErrors += 1
    case .streamClosed: counters.closedStreamErrors += 1
    case .frameSizeError: counters.frameSizeErrors += 1
    case .compressionError: counters.compressionErrors += 1
    default: counters.otherErrors += 1
    }
  }
}
