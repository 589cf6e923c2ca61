import EventLoop
import HTTP2

/// One call with its attempts: it is made again, with the requests that were sent, while that is safe and nothing of an answer has
/// come. Confined to its channel's loop.
///
///     attempt ──fails, and may be repeated──► pause, connection ──► attempt …
///        └──headers of a response, more requests than are kept──► this attempt is the last
final class CallAttempts: @unchecked Sendable {
  /// Smaller requests are not worth compressing.
  private static let threshold = 1 << 10

  private let channel: Channel
  private let path: String
  private let options: CallOptions
  private let deadline: ContinuousClock.Instant?
  private var stream: ClientStream?
  private var state: RetryState?
  /// What has been sent, to send it again; nil when that is too much.
  private var sent: [UInt8]?
  private var isFinished = false
  /// Ended by the caller.
  private var isCancelled = false
  private var restart: Task<Void, any Error>?

  init(on channel: Channel, path: String, options: CallOptions) {
    self.channel = channel
    self.path = path
    self.options = options
    deadline = options.timeout.map { ContinuousClock.now + $0 }
    if let retry = channel.configuration.retry {
      state = RetryState(retry, isIdempotent: options.isIdempotent)
      sent = []
    }
  }

  var head: ResponseHead { stream?.head ?? ResponseHead() }

  /// Whether the response that was taken last came compressed.
  var wasResponseCompressed: Bool { stream?.inbound.wasCompressed ?? false }

  // MARK: Attempts

  /// - Throws: `RPCError` when no server can be reached, and trying again is of no use.
  func begin(after pause: Duration = .zero) async throws {
    var pause = pause
    while true {
      if pause > .zero { try await channel.loop.sleep(for: pause) }
      do { return try await attempt() } catch let error as RPCError where error.code == .unavailable {
        guard let next = self.pause(after: .unreachable) else { throw error }
        pause = next
      }
    }
  }

  private func attempt() async throws {
    while true {
      let subchannel = try await channel.subchannel(waitsForReady: options.waitsForReady, before: deadline)
      guard !isCancelled else { throw RPCError.cancelled }
      var options = options
      options.timeout = deadline.map { $0 - .now }
      if let timeout = options.timeout, timeout <= .zero { throw RPCError.deadlineExceeded }
      if let retries = state?.retries, retries > 0 {
        options.metadata.append("grpc-previous-rpc-attempts", "\(retries)")
      }
      guard let session = subchannel.connection?.session else { continue }
      let stream = ClientStream(channel.inbound)
      // Whoever says what the server's certificate is for says whom the call is for.
      let authority = channel.configuration.tlsServerName ?? subchannel.endpoint.description
      do {
        try stream.begin(
          session, path: path, authority: authority, options: options,
          scheme: channel.configuration.tls == nil ? "http" : "https", userAgent: channel.configuration.userAgent)
      } catch {
        // Its stream ids are used up: another connection has more.
        channel.retire(subchannel)
        continue
      }
      self.stream = stream
      if let sent, !sent.isEmpty { try stream.send { $0 += sent } }
      if isFinished { stream.finish() }
      return
    }
  }

  /// How long to wait before the next attempt; nil when there is to be none.
  private func pause(after failure: RetryState.Failure) -> Duration? {
    guard !isCancelled, sent != nil else { return nil }
    var random = SystemRandomNumberGenerator()
    switch state?.attemptFailed(failure, budget: &channel.budget, using: &random) {
    case .retry(let pause):
      if let deadline, .now + pause >= deadline { return nil }
      return pause
    case .giveUp, nil: return nil
    }
  }

  /// - Returns: Whether there is a new attempt.
  private func again(instead failed: ClientStream) async throws -> Bool {
    guard failed === stream, let failure = failed.retryableFailure, let pause = pause(after: failure) else {
      return false
    }
    let restart = Task.immediate(executorPreference: channel.loop) { try await self.begin(after: pause) }
    self.restart = restart
    defer { self.restart = nil }
    do {
      try await withTaskCancellationHandler {
        try await restart.value
      } onCancel: {
        restart.cancel()
      }
    } catch is CancellationError {
      throw RPCError.cancelled
    }
    return true
  }

  // MARK: Messages

  /// - Parameter compressed: nil compresses what is worth it, when the call's options name a coding.
  /// - Throws: `RPCError` when the call is over, or what encoding the message throws.
  func send<Message>(_ message: Message, _ coding: MessageCoding<Message>, compressed: Bool?) async throws {
    guard !isCancelled, !isFinished, let stream else { throw RPCError.cancelled }
    let compression = compression(compressed)
    guard let keptCount = sent?.count else {
      try stream.send { try coding.frame(message, into: &$0, compression) }
      return try await stream.waitForRoom()
    }
    // While there is no attempt, the next one sends what has been kept.
    guard stream.isOpen || stream.retryableFailure != nil else { throw stream.failure ?? .cancelled }
    var frame: [UInt8] = []
    try coding.frame(message, into: &frame, compression)
    let limit = channel.configuration.retry?.bufferLimit ?? 0
    if stream.hasResponse || keptCount + frame.count > limit {
      sent = nil
    } else if keptCount == 0 {
      // The only message of most calls: what is kept and what is queued share its bytes.
      sent = frame
    } else {
      sent?.append(contentsOf: frame)
    }
    if stream.isOpen {
      try stream.send { $0.isEmpty ? $0 = frame : $0.append(contentsOf: frame) }
      try await stream.waitForRoom()
    }
  }

  private func compression(_ wanted: Bool?) -> MessageCompression? {
    guard let encoding = options.compression, wanted ?? true else { return nil }
    return MessageCompression(
      codec: channel.codec, encoding: encoding, threshold: wanted == true ? nil : Self.threshold)
  }

  func finish() {
    isFinished = true
    stream?.finish()
  }

  /// Ends the call; the server's handler is cancelled.
  func cancel() {
    isCancelled = true
    restart?.cancel()
    stream?.abandon(.cancelled)
  }

  /// The next response, nil when the call ended with OK.
  func next() async throws -> [UInt8]? {
    while true {
      guard let stream else { throw RPCError.cancelled }
      do {
        let message = try await stream.next()
        if message == nil { channel.budget.callSucceeded() }
        return message
      } catch let error as RPCError {
        guard try await again(instead: stream) else { throw error }
      }
    }
  }
}
