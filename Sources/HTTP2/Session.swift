import CNghttp2
import EventLoop

/// Owns one `nghttp2_session`: bytes in, events out to the streams' delegates; submissions in, bytes out. It does no I/O and is
/// confined to its loop.
///
/// Callbacks run inside `receive(_:)` and `gather(into:limit:)`; they may submit, but neither of those two may be called from
/// within, nor may the session be freed there.
package final class Session: @unchecked Sendable {
  package enum Role: Sendable {
    case client, server
  }

  let pointer: OpaquePointer
  /// Outlives nghttp2's session, which gives its blocks back to it.
  private let memory: SessionMemory?
  let loop: EventLoop
  /// Whether trailers with a value of their own have been sent (`PreparedHeaders.withLastValue`).
  var hasSentLastValue = false
  package let configuration: HTTP2Configuration
  private let role: Role
  /// nghttp2 fires no close callbacks when a session is freed, so the live streams are listed (and kept alive) here.
  private var streams = StreamList()
  private var onStream: ((HTTP2Stream) -> Void)?
  private var onOutput: () -> Void = {}
  /// `onOutput` has been called, and nothing gathered since.
  private var hasOutput = false
  /// The header block that is arriving.
  let headers: ReceivedHeaders
  /// The buffer that `gather` fills in.
  private var gathered: [UInt8] = []
  private var gatherLimit = 0
  private static let frameHead = 9
  var isServer: Bool { role == .server }
  package private(set) var receivedGoAway = false
  /// What ended the connection, when an error did.
  package private(set) var lossReason: (any Error)?
  package weak var observer: (any SessionObserver)?
  private var shutdown = Shutdown.none

  /// Counts what the peer overdoes.
  private var floodGuard: FloodGuard?
  /// It overdid something; the connection ends with the next bytes.
  private var flood: Flood?
  package let tally: ConnectionTally
  /// What the peer overdid, when that has ended the connection.
  package private(set) var refused: Flood?
  /// It broke the protocol, and the connection ends for that.
  private var isBroken = false
  /// The SETTINGS that say how many streams a client may have are yet to be gathered.
  private var announcesStreamLimit: Bool
  /// Bytes that are queued on all streams and that flow control has not let go.
  package internal(set) var queuedOutput = 0
  /// Bytes of bodies that flow control has let go.
  package private(set) var sentOutput = 0
  /// How many streams the peer has opened.
  package private(set) var openedStreams = 0
  /// The peer's first SETTINGS have arrived: it speaks HTTP/2.
  package private(set) var isEstablished = false

  /// `none ──announceShutdown──► noticed ──notice sent──► pinged ──answered──► none`
  private enum Shutdown {
    case none, noticed, pinged
  }

  /// The payload of that PING: what answers a keepalive's says nothing about the notice.
  private static let shutdownPing = Array("shutdown".utf8)

  /// - Parameters:
  ///   - memory: Of the loop; nil for `malloc`.
  ///   - onStream: Called with each stream that the peer opens (server only); sets its delegate.
  /// - Throws: `HTTP2Error` when memory runs out.
  package init(
    _ role: Role, configuration: HTTP2Configuration, on loop: EventLoop, tally: ConnectionTally = .init(),
    memory: SessionMemory? = nil, onStream: ((HTTP2Stream) -> Void)? = nil
  ) throws(HTTP2Error) {
    self.role = role
    self.configuration = configuration
    self.loop = loop
    self.memory = memory
    self.onStream = onStream
    self.tally = tally
    floodGuard = configuration.floods.map { FloodGuard($0) }
    announcesStreamLimit = role == .server
    headers = ReceivedHeaders(limit: configuration.maxHeaderListSize)
    var session: OpaquePointer?
    let callbacks = SessionCallbacks.shared.pointer
    let options = try SessionOptions(configuration.floods)
    switch role {
    case .server: try check(nghttp2_session_server_new3(&session, callbacks, nil, options.pointer, memory?.functions))
    case .client: try check(nghttp2_session_client_new3(&session, callbacks, nil, options.pointer, memory?.functions))
    }
    guard let session else { throw .noMemory }
    pointer = session
    nghttp2_session_set_user_data(session, Unmanaged.passUnretained(self).toOpaque())
    try submitSettings()
  }

  deinit {
    guard let memory, !loop.isCurrent else { return nghttp2_session_del(pointer) }
    // The last reference may go away anywhere, but the memory is the loop's.
    nonisolated(unsafe) let pointer = pointer
    loop.execute { [headers] in
      headers.clear()
      withExtendedLifetime(memory) { nghttp2_session_del(pointer) }
    }
  }

  private func submitSettings() throws(HTTP2Error) {
    var settings = [
      nghttp2_settings_entry(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, UInt32(configuration.streamWindow)),
      nghttp2_settings_entry(NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, UInt32(configuration.maxHeaderListSize)),
      nghttp2_settings_entry(NGHTTP2_SETTINGS_MAX_FRAME_SIZE, configuration.maxFrameSize),
    ]
    switch role {
    case .server:
      settings.append(
        .init(
          NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, StreamLimit.withReserve(configuration.maxConcurrentStreams)))
    case .client:
      settings.append(.init(NGHTTP2_SETTINGS_ENABLE_PUSH, 0))
    }
    try check(nghttp2_submit_settings(pointer, 0, settings, settings.count))
    try check(nghttp2_session_set_local_window_size(pointer, 0, 0, configuration.connectionWindow))
  }

  // MARK: Bytes

  /// Sets what is called when there is something to gather: once until it is.
  func setOutputHandler(_ handler: @escaping () -> Void) {
    onOutput = handler
  }

  func needsFlush() {
    guard !hasOutput else { return }
    hasOutput = true
    onOutput()
  }

  /// Feeds bytes of the peer.
  /// - Throws: `HTTP2Error` when the connection cannot go on (a flood, memory); a GOAWAY may still be waiting to be gathered.
  package func receive(_ bytes: UnsafeRawBufferPointer) throws(HTTP2Error) {
    switch floodGuard?.receive(bytes) {
    case nil: if let flood { throw refuse(flood) }
    case .flood(let flood): throw refuse(flood)
    case .error(let code):
      broke(code)
      nghttp2_session_terminate_session(pointer, code.rawValue)
      throw .misplacedFrame
    }
    let start = bytes.bindMemory(to: UInt8.self).baseAddress
    do throws(HTTP2Error) { try check(nghttp2_session_mem_recv(pointer, start, bytes.count)) } catch {
      switch error {
      case .tooManyContinuations: throw refuse(.continuations)
      // nghttp2's own limit of answers to PING and SETTINGS that are not taken.
      case .flooded: throw refuse(.unread)
      case .badPreface: tally.counters.badPrefaces += 1
      default: break
      }
      throw error
    }
    if let flood { throw refuse(flood) }
  }

  /// The peer broke the protocol, and the connection ends with this code.
  private func broke(_ code: HTTP2ErrorCode) {
    guard isServer, refused == nil, !isBroken else { return }
    isBroken = true
    tally.count(code)
  }

  /// To be called when the socket takes nothing: what the peer has made us say since may not grow for ever.
  /// - Throws: `HTTP2Error.flooded`
  func checkUnread() throws(HTTP2Error) {
    guard let limit = configuration.floods?.unread else { return }
    guard nghttp2_session_get_outbound_queue_size(pointer) > limit + 2 * streams.count else { return }
    throw refuse(.unread)
  }

  /// Ends the connection of a peer that overdoes it; what has arrived is not looked at any more.
  private func refuse(_ flood: Flood) -> HTTP2Error {
    tally.count(flood)
    refused = flood
    nghttp2_session_terminate_session(pointer, HTTP2ErrorCode.enhanceYourCalm.rawValue)
    return .flooded
  }

  /// Lets the peer do again what it may do so often a second.
  package func refill(seconds: Double) {
    floodGuard?.refill(seconds: seconds)
  }

  /// Whether the bytes so far end within a frame or a header block (when floods are watched).
  package var isWithinFrame: Bool { floodGuard?.isWithinFrame ?? false }

  /// How many frames the peer has begun (when floods are watched).
  package var receivedFrames: Int { floodGuard?.frames ?? 0 }

  /// Asks the peer for a sign of life.
  package func ping() {
    nghttp2_submit_ping(pointer, UInt8(NGHTTP2_FLAG_NONE.rawValue), nil)
    needsFlush()
  }

  /// Appends what is to be sent, until there is no more or `limit` bytes are reached.
  /// - Throws: `HTTP2Error` when memory runs out.
  package func gather(into buffer: inout [UInt8], limit: Int) throws(HTTP2Error) {
    hasOutput = false
    // Bodies come past nghttp2's buffer, through `sendData`.
    swap(&buffer, &gathered)
    gatherLimit = limit
    defer { swap(&buffer, &gathered) }
    while gathered.count < limit {
      var data: UnsafePointer<UInt8>?
      let count = try check(nghttp2_session_mem_send(pointer, &data))
      guard count > 0, let data else { return }
      gathered.append(contentsOf: UnsafeBufferPointer(start: data, count: count))
      if announcesStreamLimit {
        announcesStreamLimit = false
        StreamLimit.announce(configuration.maxConcurrentStreams, in: &gathered)
      }
    }
  }

  /// - Parameters:
  ///   - head: The frame's nine bytes.
  ///   - count: How many bytes of the stream's body follow.
  /// - Returns: Whether they were taken; if not, nghttp2 offers them to the next `gather`.
  func sendData(_ stream: HTTP2Stream, head: UnsafePointer<UInt8>, count: Int) -> Bool {
    guard gathered.count < gatherLimit else { return false }
    gathered.append(contentsOf: UnsafeBufferPointer(start: head, count: Self.frameHead))
    stream.take(count, into: &gathered)
    return true
  }

  /// Neither side has anything more to say: the connection can be closed.
  package var isFinished: Bool {
    nghttp2_session_want_read(pointer) == 0 && nghttp2_session_want_write(pointer) == 0
  }

  package var streamCount: Int { streams.count }

  // MARK: Submitting

  /// Opens a stream to the server.
  /// - Parameter endStream: There is no body.
  /// - Throws: `HTTP2Error.noMoreStreams` when a new connection is needed for it.
  package func request(
    _ headers: HeaderBlock, endStream: Bool, delegate: any StreamDelegate
  ) throws(HTTP2Error) -> HTTP2Stream {
    guard !receivedGoAway else { throw .noMoreStreams }
    let stream = HTTP2Stream(id: 0, session: self)
    stream.delegate = delegate
    var provider = stream.dataProvider
    let context = Unmanaged.passUnretained(stream).toOpaque()
    let id = headers.withNameValues { names, count in
      endStream
        ? nghttp2_submit_request(pointer, nil, names, count, nil, context)
        : nghttp2_submit_request(pointer, nil, names, count, &provider, context)
    }
    guard id != NGHTTP2_ERR_STREAM_ID_NOT_AVAILABLE.rawValue else { throw .noMoreStreams }
    try check(id)
    stream.requested(id: id, isEnded: endStream)
    streams.insert(stream)
    needsFlush()
    return stream
  }

  /// Tells the peer to open no more streams. A server still serves those that are on the way: it refuses new ones only when
  /// the peer has answered the PING that follows the notice (RFC 9113, section 6.8).
  package func announceShutdown() {
    guard role == .server else { return goAway() }
    shutdown = .noticed
    nghttp2_submit_shutdown_notice(pointer)
    needsFlush()
  }

  /// The PING is submitted only now, as nghttp2 would let it overtake the notice.
  func goAwaySent(_ code: HTTP2ErrorCode) {
    if code != .noError { broke(code) }
    guard shutdown == .noticed else { return }
    shutdown = .pinged
    Self.shutdownPing.withUnsafeBufferPointer {
      _ = nghttp2_submit_ping(pointer, UInt8(NGHTTP2_FLAG_NONE.rawValue), $0.baseAddress)
    }
    needsFlush()
  }

  /// - Parameter payload: Eight bytes.
  func pingAcknowledged(_ payload: UnsafeRawBufferPointer) {
    guard shutdown == .pinged, payload.elementsEqual(Self.shutdownPing) else { return }
    shutdown = .none
    goAway()
  }

  /// Tells the peer the last stream that is served.
  package func goAway(_ code: HTTP2ErrorCode = .noError) {
    let last = nghttp2_session_get_last_proc_stream_id(pointer)
    nghttp2_submit_goaway(pointer, UInt8(NGHTTP2_FLAG_NONE.rawValue), last, code.rawValue, nil, 0)
    needsFlush()
  }

  /// Ends all streams, as the connection is gone.
  package func connectionLost(_ reason: (any Error)? = nil) {
    lossReason = reason
    onStream = nil
    while let stream = streams.first {
      streams.remove(stream)
      stream.closed(stream.isUnsent ? .refusedStream : .cancel, connectionLost: true)
    }
  }

  /// Calls `body` with the delegate of each live stream; it may end streams.
  package func forEachDelegate(_ body: (any StreamDelegate) -> Void) {
    var next = streams.first
    while let stream = next {
      next = stream.next
      if let delegate = stream.delegate { body(delegate) }
    }
  }

  // MARK: Callbacks

  func streamOpened(_ id: Int32) {
    guard let onStream else { return }
    guard streams.count < Int(configuration.maxConcurrentStreams) else { return refuseStream(id) }
    openedStreams &+= 1
    let stream = HTTP2Stream(id: id, session: self)
    streams.insert(stream)
    nghttp2_session_set_stream_user_data(pointer, id, Unmanaged.passUnretained(stream).toOpaque())
    onStream(stream)
  }

  /// One more than there may be. It was the client's mistake if it had been told, and is a flood if there are many.
  private func refuseStream(_ id: Int32) {
    tally.counters.streamsOverLimit += 1
    let flags = UInt8(NGHTTP2_FLAG_NONE.rawValue)
    nghttp2_submit_rst_stream(pointer, flags, id, HTTP2ErrorCode.refusedStream.rawValue)
    if let flood = floodGuard?.provokedReset() { self.flood = flood }
  }

  func streamClosed(_ id: Int32, _ code: HTTP2ErrorCode) {
    guard let context = nghttp2_session_get_stream_user_data(pointer, id) else { return }
    let stream = Unmanaged<HTTP2Stream>.fromOpaque(context).takeUnretainedValue()
    streams.remove(stream)
    if streams.count == 0 { headers.shrink() }
    stream.closed(stream.isUnsent ? .refusedStream : code, connectionLost: false)
  }

  func headerReceived(_ name: OpaquePointer, _ value: OpaquePointer) {
    if !headers.append(name, value) { tally.counters.headerListsRefused += 1 }
  }

  /// The block that began last is complete.
  func headersReceived(_ stream: HTTP2Stream, endStream: Bool) {
    stream.headerListSize = headers.size
    stream.delegate?.streamReceivedHeaders(stream, headers, endStream: endStream)
    headers.clear()
  }

  func settingsReceived() {
    isEstablished = true
    observer?.sessionReceivedSettings(self)
  }

  func answered() {
    floodGuard?.answered()
  }

  func sent(_ count: Int) {
    queuedOutput -= count
    sentOutput &+= count
  }

  /// We reset a stream. It may be the answer to what breaks the protocol, and then is the peer's doing.
  func resetSent(_ code: HTTP2ErrorCode) {
    guard isServer, code != .noError, code != .refusedStream else { return }
    tally.counters.streamsReset += 1
    if let flood = floodGuard?.provokedReset() { self.flood = flood }
  }

  func goAwayReceived() {
    receivedGoAway = true
    observer?.sessionReceivedGoAway(self)
  }
}

extension nghttp2_settings_entry {
  fileprivate init(_ setting: nghttp2_settings_id, _ value: UInt32) {
    self.init(settings_id: Int32(setting.rawValue), value: value)
  }
}
