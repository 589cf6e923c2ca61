import EventLoop
import HTTP2

/// A service as a client sees it: its addresses, a connection to one or to each of them, made when the first call needs it and made
/// again when it was lost. Confined to its loop: all calls are made from tasks on it.
///
/// A channel that nobody holds any more lets its calls finish, and then closes.
package final class Channel: @unchecked Sendable {
  package let target: Target
  package let loop: EventLoop
  let configuration: ClientConfiguration
  let codec = MessageCodec()
  let inbound: InboundContext
  private let buffers = ConnectionBuffers()
  private let addresses: AddressList
  private var subchannels: [Subchannel] = []
  private var balancer: Balancer
  private var stagger: Timer?
  private var waiters: [Promise<Void>] = []
  private var failure = RPCError(.unavailable, "no address is known")
  var budget: RetryBudget

  package init(to target: Target, on loop: EventLoop, configuration: ClientConfiguration = .init()) {
    self.target = target
    self.loop = loop
    self.configuration = configuration
    inbound = InboundContext(
      on: loop, codec: codec, limit: configuration.maxMessageSize, highWater: configuration.inboundHighWater)
    addresses = AddressList(target, on: loop, backoff: configuration.backoff)
    balancer = Balancer(configuration.balancing)
    budget = RetryBudget(configuration.retry?.budget ?? .init())
    addresses.onChange = { [unowned self] in addressesChanged() }
  }

  package convenience init(to endpoint: Endpoint, on loop: EventLoop, configuration: ClientConfiguration = .init()) {
    self.init(to: Target(endpoint), on: loop, configuration: configuration)
  }

  deinit {
    addresses.stop()
    let left = subchannels
    loop.executeNow { for subchannel in left { subchannel.drop() } }
  }

  /// Closes the connections; calls that are going on end with UNAVAILABLE. A later call connects anew.
  package func close() {
    stagger?.cancel()
    for subchannel in subchannels { subchannel.close() }
    subchannels = []
    addresses.stop()
    balancer = Balancer(configuration.balancing)
    let waiting = waiters
    waiters = []
    for waiter in waiting { waiter.fail(RPCError(.unavailable, "the channel was closed")) }
  }

  /// Begins a call. The time that connecting takes counts for its timeout.
  /// - Throws: `RPCError`: UNAVAILABLE when no server can be reached, DEADLINE_EXCEEDED, CANCELLED, INTERNAL for metadata that
  ///   cannot be sent.
  package func call<Request: Sendable, Response: Sendable>(
    _ method: MethodDescriptor<Request, Response>, options: CallOptions = .init()
  ) async throws -> ClientCall<Request, Response> {
    loop.assertCurrent()
    do { try options.metadata.check() } catch { throw RPCError(.internalError, "\(error)") }
    let attempts = CallAttempts(on: self, path: method.path, options: options)
    try await attempts.begin()
    return ClientCall(attempts: attempts, method: method)
  }

  // MARK: Connections for calls

  /// A connection that takes calls.
  /// - Throws: `RPCError`: UNAVAILABLE unless the call `waitsForReady`, DEADLINE_EXCEEDED, CANCELLED.
  func subchannel(waitsForReady: Bool, before deadline: ContinuousClock.Instant?) async throws -> Subchannel {
    while true {
      switch pick() {
      case .ready(let subchannel): return subchannel
      case .wait: break
      case .failed: if !waitsForReady { throw failure }
      }
      try await change(before: deadline)
    }
  }

  /// The connection takes no more streams: the next call gets another one.
  func retire(_ subchannel: Subchannel) {
    subchannel.drop()
    happened(subchannel, .lost)
  }

  private enum Pick {
    case ready(Subchannel), wait, failed
  }

  private func pick() -> Pick {
    addresses.refreshIfNeeded()
    while true {
      let pick = balancer.pick()
      obey()
      switch pick {
      case .address(let index):
        if subchannels[index].connection != nil { return .ready(subchannels[index]) }
        // It has just died, and nobody has said so yet.
        subchannels[index].drop()
        balancer.connectionLost(index)
      case .wait: return .wait
      case .failed: return addresses.isResolving ? .wait : .failed
      }
    }
  }

  /// Waits until something has changed, which may not be enough.
  private func change(before deadline: ContinuousClock.Instant?) async throws {
    let waiter = Promise<Void>(on: loop)
    waiters.append(waiter)
    let timer = deadline.map { deadline in
      let timer = Timer(on: loop) { waiter.fail(RPCError.deadlineExceeded) }
      timer.schedule(after: deadline - .now)
      return timer
    }
    defer { timer?.cancel() }
    do { try await waiter.value() } catch is CancellationError { throw RPCError.cancelled }
  }

  private func wakeWaiters() {
    let waiting = waiters
    waiters = []
    for waiter in waiting { waiter.succeed(()) }
  }

  // MARK: What happens

  private func happened(_ subchannel: Subchannel, _ event: Subchannel.Event) {
    guard let index = subchannels.firstIndex(where: { $0 === subchannel }) else { return }
    switch event {
    case .connected:
      balancer.connected(index)
    case .attemptFailed(let error):
      failure = Self.unreachable(subchannel.endpoint, at: subchannel.address, error)
      balancer.attemptFailed(index)
      addresses.mayHaveChanged()
    case .pauseEnded:
      balancer.pauseEnded(index)
    case .lost:
      balancer.connectionLost(index)
      addresses.mayHaveChanged()
    }
    obey()
    wakeWaiters()
  }

  /// - Parameter address: Named when the endpoint is a name, which may have several.
  private static func unreachable(_ endpoint: Endpoint, at address: SocketAddress, _ error: any Error) -> RPCError {
    let place = "\(endpoint)" == "\(address)" ? "\(endpoint)" : "\(endpoint) (\(address))"
    return RPCError(
      .unavailable, "cannot reach \(place): \(error)", reason: error is SocketError ? .unreachable : "")
  }

  private func addressesChanged() {
    switch addresses.latest {
    case .failure(let error):
      if subchannels.isEmpty {
        failure = RPCError(.unavailable, "cannot reach \(target): \(error)", reason: .unreachable)
      }
    case .success(let list):
      var left = subchannels
      subchannels = list.map { endpoint, address in
        if let index = left.firstIndex(where: { $0.endpoint == endpoint && $0.address == address }) {
          return left.remove(at: index)
        }
        return Subchannel(endpoint, address, on: loop, configuration: configuration, buffers: buffers) {
          [weak self] in self?.happened($0, $1)
        }
      }
      for subchannel in left { subchannel.drop() }
      balancer = Balancer(configuration.balancing, addresses: subchannels.map(\.balancerState))
    case nil: break
    }
    wakeWaiters()
  }

  private func obey() {
    for command in balancer.takeCommands() {
      switch command {
      case .connect(let index): subchannels[index].connect()
      case .drop(let index): subchannels[index].drop()
      case .endPause(let index): subchannels[index].endPause()
      case .startStagger: startStagger()
      case .cancelStagger: stagger?.cancel()
      }
    }
  }

  private func startStagger() {
    let timer =
      stagger
      ?? Timer(on: loop) { [unowned self] in
        balancer.staggerPassed()
        obey()
      }
    stagger = timer
    timer.schedule(after: Balancer.stagger)
  }
}
