import EventLoop

/// What the names of a target stand for now. Confined to its loop.
///
///     unknown ──refreshIfNeeded()──► resolving ──► known ──mayHaveChanged(), and some time has passed──► resolving
///                                        └──failed──► pausing ──► unknown
final class AddressList: @unchecked Sendable {
  typealias Item = (endpoint: Endpoint, address: SocketAddress)

  /// A name is asked for again only after this, however often connections fail.
  private static let shortestInterval = Duration.seconds(5)

  private(set) var latest: Result<[Item], any Error>?
  /// Called when `latest` is new, and when a failure has been waited out.
  var onChange: () -> Void = {}
  private let target: Target
  private let loop: EventLoop
  private var task: Task<Void, Never>?
  private var isStale = true
  private var resolvedAt: ContinuousClock.Instant?
  private var backoff: Backoff
  private var pause: Timer?

  init(_ target: Target, on loop: EventLoop, backoff: Backoff.Policy) {
    self.target = target
    self.loop = loop
    self.backoff = Backoff(backoff)
  }

  var isResolving: Bool { task != nil }

  /// Addresses may be others by now: a connection failed.
  func mayHaveChanged() {
    isStale = true
  }

  /// Asks for the names' addresses, unless that has been done lately. Addresses that need nobody to be asked are there at once.
  func refreshIfNeeded() {
    guard isStale, task == nil, pause == nil else { return }
    if let resolvedAt, .now - resolvedAt < Self.shortestInterval { return }
    isStale = false
    resolvedAt = .now
    let numeric = target.endpoints.compactMap { endpoint in
      SocketAddress.numeric(endpoint).map { Item(endpoint, $0) }
    }
    guard numeric.count < target.endpoints.count else {
      if latest == nil { finish(.success(numeric)) }
      return
    }
    task = Task(executorPreference: loop) {
      let result = await Self.resolve(self.target, on: self.loop)
      guard !Task.isCancelled else { return }
      self.task = nil
      self.finish(result)
    }
  }

  /// Forgets everything.
  func stop() {
    task?.cancel()
    task = nil
    pause = nil
    latest = nil
    isStale = true
    resolvedAt = nil
  }

  private func finish(_ result: Result<[Item], any Error>) {
    switch result {
    case .success:
      backoff.connected()
      latest = result
    case .failure:
      // Old addresses are better than none.
      if (try? latest?.get()) == nil { latest = result }
      var random = SystemRandomNumberGenerator()
      let timer = Timer(on: loop) { [unowned self] in
        pause = nil
        isStale = true
        resolvedAt = nil
        onChange()
      }
      timer.schedule(after: backoff.attemptFailed(after: .zero, using: &random))
      pause = timer
    }
    onChange()
  }

  /// All addresses of all names, in their order. Those that cannot be resolved count only when none can.
  private static func resolve(_ target: Target, on loop: EventLoop) async -> Result<[Item], any Error> {
    var items: [Item] = []
    var failure: (any Error)?
    for endpoint in target.endpoints {
      do {
        for address in try await SocketAddress.resolve(endpoint, on: loop)
        where !items.contains(where: { $0.endpoint == endpoint && $0.address == address }) {
          items.append(Item(endpoint, address))
        }
      } catch { failure = error }
    }
    if items.isEmpty, let failure { return .failure(failure) }
    return .success(items)
  }
}
