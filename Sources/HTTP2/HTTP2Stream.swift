import CNghttp2
import EventLoop

/// One stream of a session: an output queue under flow control, and a delegate for what arrives. Confined to its loop.
///
/// The sending side:
///
///     idle ──respond/request──► open ──finish──► finished ──frames sent──► closed
///       └────────────reset or the peer's RST_STREAM, at any point────────────┘
package final class HTTP2Stream: @unchecked Sendable {
  private enum Sending {
    case idle
    case open
    /// No more data will be queued; the trailers follow the last byte.
    case finished(trailers: Trailers)
    case closed
  }

  private enum Trailers {
    case none
    /// Prepared ones are there for ever.
    case prepared(Unmanaged<PreparedHeaders>, lastValue: (UInt64, UInt64))
    case block(HeaderBlock)
  }

  /// Sent bytes of the queue from which on it may be worth moving up the rest.
  private static let movedAtOnce = 64 << 10

  package internal(set) var id: Int32
  /// What ended the connection, when an error did.
  package var lossReason: (any Error)? { session.lossReason }
  /// Held until the stream closes.
  package var delegate: (any StreamDelegate)?
  private let session: Session
  private var sending = Sending.idle
  private var output: [UInt8] = []
  private var outputStart = 0
  /// nghttp2 asked for data when there was none, and waits for `nghttp2_session_resume_data`.
  private var isDeferred = false
  private var roomWaiters: [(bytes: Int?, promise: Promise<Void>)] = []
  /// The sum of the header list so far, as SETTINGS_MAX_HEADER_LIST_SIZE counts.
  var headerListSize = 0
  var remoteEnded = false
  /// A request of ours whose headers have not gone out: whatever ends it now, but we ourselves, the server has not seen it.
  private(set) var isUnsent = false

  private let headerListLimit: Int
  // The session's list of streams. It keeps the previous one alive: a stream that leaves the list is unlinked on both sides.
  var next: HTTP2Stream?
  unowned(unsafe) var previous: HTTP2Stream?
  var isListed = false

  init(id: Int32, session: Session) {
    self.id = id
    self.session = session
    headerListLimit = session.configuration.maxHeaderListSize
  }

  /// Bytes that are queued and that flow control has not let go yet.
  package var queuedBytes: Int { output.count - outputStart }

  package var isClosed: Bool {
    if case .closed = sending { true } else { false }
  }

  /// Whether the peer has ended its side.
  package var isRemoteEnded: Bool { remoteEnded }

  /// Whether the header list that arrived is larger than what we advertise.
  package var isHeaderListTooLarge: Bool { headerListSize > headerListLimit }

  // MARK: Sending

  /// Sends response headers; data may follow.
  package func respond(_ headers: PreparedHeaders) {
    guard case .idle = sending else { return }
    sending = .open
    var provider = dataProvider
    nghttp2_submit_response(session.pointer, id, headers.fields.baseAddress, headers.fields.count, &provider)
    session.needsFlush()
  }

  /// Sends response headers; data may follow.
  package func respond(_ headers: HeaderBlock) {
    guard case .idle = sending else { return }
    sending = .open
    var provider = dataProvider
    headers.withNameValues { _ = nghttp2_submit_response(session.pointer, id, $0, $1, &provider) }
    session.needsFlush()
  }

  /// Sends response headers that end the stream.
  package func respondAndEnd(_ headers: HeaderBlock) {
    guard case .idle = sending else { return }
    sending = .finished(trailers: .none)
    headers.withNameValues { _ = nghttp2_submit_response(session.pointer, id, $0, $1, nil) }
    session.needsFlush()
  }

  /// The request's headers are submitted: data may follow unless the stream `isEnded` with them.
  func requested(id: Int32, isEnded: Bool) {
    self.id = id
    isUnsent = true
    sending = isEnded ? .finished(trailers: .none) : .open
  }

  /// Queues data: `append` adds to the queue in place. Without effect when the stream is closed or finished.
  package func write<Failure: Error>(_ append: (inout [UInt8]) throws(Failure) -> Void) throws(Failure) {
    guard case .open = sending else { return }
    let before = output.count
    defer { session.queuedOutput += output.count - before }
    try append(&output)
    resume()
  }

  /// No more data; `trailers` go out after the last byte, with these 16 bytes as the value of their last field.
  package func finish(_ trailers: PreparedHeaders, lastValue: (UInt64, UInt64)) {
    finish(.prepared(.passUnretained(trailers), lastValue: lastValue))
  }

  /// No more data; `trailers`, if any, go out after the last byte.
  package func finish(trailers: HeaderBlock? = nil) {
    finish(trailers.map { .block($0) } ?? .none)
  }

  private func finish(_ trailers: Trailers) {
    guard case .open = sending else { return }
    sending = .finished(trailers: trailers)
    resume()
  }

  private func resume() {
    if isDeferred {
      isDeferred = false
      nghttp2_session_resume_data(session.pointer, id)
    }
    session.needsFlush()
  }

  /// Ends the stream at once with RST_STREAM; what is queued is dropped.
  package func reset(_ code: HTTP2ErrorCode) {
    guard !isClosed else { return }
    isUnsent = false
    nghttp2_submit_rst_stream(session.pointer, UInt8(NGHTTP2_FLAG_NONE.rawValue), id, code.rawValue)
    session.needsFlush()
  }

  /// Whether a writer should wait (`waitForRoom()`) before it queues more.
  package var isFull: Bool { queuedBytes > highWater }

  /// Less when the connection's streams hold much together: a peer that opens no window must not make each of them hold the most.
  private var highWater: Int {
    isCrowded ? session.configuration.crowdedHighWater : session.configuration.outputHighWater
  }

  private var isCrowded: Bool { session.queuedOutput > session.configuration.connectionOutputHighWater }

  /// Suspends until the peer has taken so much that no more than so many bytes are queued: half of the high water mark when nil,
  /// and then only while the stream is full.
  /// - Throws: `HTTP2Error.connectionClosed` when the stream closes meanwhile, `CancellationError`.
  package func waitForRoom(_ bytes: Int? = nil) async throws {
    if isClosed { throw HTTP2Error.connectionClosed }
    guard bytes == nil ? isFull : queuedBytes > room(bytes) else { return }
    let waiter = Promise<Void>(on: session.loop)
    roomWaiters.append((bytes, waiter))
    try await waiter.value()
  }

  /// Down to how many bytes a writer waits who would go on at so many; in a crowd it may be less.
  private func room(_ bytes: Int?) -> Int {
    guard let bytes, !isCrowded else { return min(bytes ?? .max, highWater / 2) }
    return bytes
  }

  // MARK: Receiving

  /// Gives flow-control credit for `count` bytes of the stream back to the peer.
  package func consume(_ count: Int) {
    guard count > 0, !isClosed, !remoteEnded else { return }
    nghttp2_session_consume_stream(session.pointer, id, count)
    session.needsFlush()
  }

  // MARK: From the session

  func sendsHeaders() {
    isUnsent = false
  }

  func closed(_ code: HTTP2ErrorCode, connectionLost: Bool) {
    guard !isClosed else { return }
    sending = .closed
    session.queuedOutput -= queuedBytes
    output = []
    outputStart = 0
    if !roomWaiters.isEmpty {
      let waiters = roomWaiters
      roomWaiters = []
      for waiter in waiters { waiter.promise.fail(HTTP2Error.connectionClosed) }
    }
    delegate.take()?.streamClosed(self, code, connectionLost: connectionLost)
  }

  /// Moves bytes of the body, which `offer` has promised, behind what is gathered.
  func take(_ count: Int, into gathered: inout [UInt8]) {
    gathered.append(contentsOf: output[outputStart..<outputStart + min(count, queuedBytes)])
    outputStart += min(count, queuedBytes)
    session.sent(count)
    if outputStart == output.count {
      // What follows has room at once, unless nothing does, or the bytes are somebody else's too and room would be new room.
      if case .finished = sending {
        output = []
      } else {
        output.removeAll(keepingCapacity: output.capacity <= 4 * session.configuration.outputHighWater)
      }
      outputStart = 0
    } else if outputStart >= Self.movedAtOnce, outputStart >= output.count / 2 {
      moveUp()
    }
    wakeWriterIfRoom()
  }

  /// Gives up the place of what has been sent, which is at least half, so that a long queue is moved only a few times. A queue that
  /// was long once and never gets empty, as that of a slow reader, does not keep its room.
  private func moveUp() {
    if output.capacity > 4 * max(queuedBytes, session.configuration.outputHighWater) {
      output = Array(output[outputStart...])
    } else {
      output.removeFirst(outputStart)
    }
    outputStart = 0
  }

  /// nghttp2 asks how many bytes of the body there are, up to `capacity`, for a frame. It takes them with `take`, past a buffer of
  /// its own: that would keep 16 KiB for each connection that ever answered.
  func offer(capacity: Int, flags: UnsafeMutablePointer<UInt32>) -> Int {
    let count = min(capacity, queuedBytes)
    if count > 0 { flags.pointee |= NGHTTP2_DATA_FLAG_NO_COPY.rawValue }
    guard queuedBytes == count else { return count }
    switch sending {
    case .finished(let trailers):
      flags.pointee |= NGHTTP2_DATA_FLAG_EOF.rawValue
      submit(trailers, flags)
      return count
    case .idle, .open, .closed:
      if count > 0 { return count }
      isDeferred = true
      return Int(NGHTTP2_ERR_DEFERRED.rawValue)
    }
  }

  private func submit(_ trailers: Trailers, _ flags: UnsafeMutablePointer<UInt32>) {
    switch trailers {
    case .none: return
    case .prepared(let headers, let lastValue):
      withUnsafeBytes(of: lastValue) { value in
        headers._withUnsafeGuaranteedRef {
          $0.withLastValue(value, isFirst: !session.hasSentLastValue) {
            _ = nghttp2_submit_trailer(session.pointer, id, $0, $1)
          }
        }
      }
      session.hasSentLastValue = true
    case .block(let headers):
      headers.withNameValues { _ = nghttp2_submit_trailer(session.pointer, id, $0, $1) }
    }
    flags.pointee |= NGHTTP2_DATA_FLAG_NO_END_STREAM.rawValue
  }

  private func wakeWriterIfRoom() {
    guard !roomWaiters.isEmpty else { return }
    let waiters = roomWaiters
    roomWaiters.removeAll { queuedBytes <= room($0.bytes) }
    for waiter in waiters where queuedBytes <= room(waiter.bytes) { waiter.promise.succeed(()) }
  }

  var dataProvider: nghttp2_data_provider {
    nghttp2_data_provider(
      source: nghttp2_data_source(ptr: Unmanaged.passUnretained(self).toOpaque()),
      read_callback: { _, _, _, capacity, flags, source, _ in
        guard let flags, let context = source?.pointee.ptr else { return 0 }
        return Unmanaged<HTTP2Stream>.fromOpaque(context)._withUnsafeGuaranteedRef {
          $0.offer(capacity: capacity, flags: flags)
        }
      })
  }
}
