import EventLoop
import Logging

/// Listens for notifications on a connection of its own, which comes back by itself when it is lost. Confined to its loop.
///
///     stopped ──start()──► connecting ──► subscribing ──► listening
///                              ▲                │             │
///                              └──── pause ◄────┴─── lost ────┘
package final class PostgresListener: @unchecked Sendable {
  package enum Event: Sendable {
    /// From now on nothing is missed; what was notified before may have been: look for yourself once.
    case listening
    case notified(PostgresNotification)
    /// It tries again by itself.
    case interrupted(PostgresError)
  }

  private let loop: EventLoop
  private let configuration: PostgresConfiguration
  private let channels: [String]
  private let logger: Logger
  private let onEvent: (Event) -> Void
  private let encoder = ParameterEncoder()
  private var link: Link?
  private var backoff = Backoff()
  private var retryTimer: Timer?
  private var isStopped = true

  /// - Parameter channels: Their names as NOTIFY writes them in quotes.
  package init(
    on loop: EventLoop, configuration: PostgresConfiguration, channels: [String], logger: Logger,
    onEvent: @escaping (Event) -> Void
  ) {
    self.loop = loop
    self.configuration = configuration
    self.channels = channels
    self.logger = logger
    self.onEvent = onEvent
    retryTimer = Timer(on: loop) { [unowned self] in connect() }
  }

  package func start() {
    guard isStopped else { return }
    isStopped = false
    connect()
  }

  package func stop() {
    isStopped = true
    retryTimer?.cancel()
    link?.owner = nil
    link?.close(PostgresError(.misuse, "the listener has stopped"))
    link = nil
  }

  private func connect() {
    guard !isStopped else { return }
    do {
      let link = Link(
        slot: 0, on: loop, configuration: configuration, settings: try ConnectionSettings(configuration),
        encoder: encoder, logger: logger)
      link.owner = self
      link.onNotification = { [unowned self] in onEvent(.notified($0)) }
      self.link = link
      link.connect()
    } catch {
      failed(error as? PostgresError ?? PostgresError(.connectFailed, "\(error)"))
    }
  }

  private func subscribe(_ link: Link) async {
    let script = channels.map { channel in
      "LISTEN \"\(channel.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\""))\""
    }
    do {
      try await link.script(script.joined(separator: ";"), deadline: nil)
      guard self.link === link, !isStopped else { return }
      backoff.succeeded()
      onEvent(.listening)
    } catch {
      // The owner hears of it, once.
      link.close(error as? PostgresError ?? PostgresError(.connectionLost, "\(error)"))
    }
  }

  private func failed(_ error: PostgresError) {
    link = nil
    guard !isStopped else { return }
    if backoff.failures == 0 { logger.warning("not listening to PostgreSQL", metadata: ["error": "\(error)"]) }
    var random = SystemRandomNumberGenerator()
    retryTimer?.schedule(after: backoff.failed(using: &random))
    onEvent(.interrupted(error))
  }
}

extension PostgresListener: LinkOwner {
  func linkReady(_ link: Link) {
    loop.spawn { [weak self] in await self?.subscribe(link) }
  }

  func linkClosed(_ link: Link, _ error: PostgresError) {
    guard self.link === link else { return }
    failed(error)
  }
}
