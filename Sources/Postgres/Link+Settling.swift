/// Tidying up after a caller that did not wait: nothing of it may reach the next one.
///
///     cancel request under way ──over──► exchange read to its end ──► a round trip, ROLLBACK if a transaction is open ──► idle
///                ▲                              │
///                └──── not within a moment ─────┘
extension Link {
  /// Travels through the thread of the cancel request without keeping the link alive there: it must end on its loop.
  private final class Reference: @unchecked Sendable {
    weak var link: Link?

    init(_ link: Link) {
      self.link = link
    }
  }

  private static let maximumRounds = 4

  /// Nobody waits for the exchange any more: ends it on the server and reads what is left of it.
  func abandon() {
    guard case .busy = state else { return }
    waiter = nil
    watcher?.watchesReading = true
    requestCancel(Settling(isCancelOver: false, isProven: false))
  }

  /// A request that arrives before the server has begun with the statement is lost: it is sent until the statement has ended.
  func cancelAgain(_ settling: Settling) {
    if settling.isCancelOver, !settling.isProven, settling.limit > .now { return requestCancel(settling) }
    close(PostgresError(.connectionLost, "the server did not end a cancelled statement"))
  }

  private func requestCancel(_ settling: Settling) {
    var settling = settling
    settling.isCancelOver = false
    settling.cancelRequests += 1
    state = .settling(settling)
    timer?.schedule(after: Self.settleLimit)
    let mine = serial
    let loop = loop
    guard let canceller else { return cancelOver(mine, false) }
    let reference = Reference(self)
    canceller.cancel { wasSent in
      loop.execute { reference.link?.cancelOver(mine, wasSent) }
    }
  }

  private func cancelOver(_ serial: Int, _ wasSent: Bool) {
    guard serial == self.serial, case .settling(var settling) = state else { return }
    guard wasSent else { return close(PostgresError(.connectionLost, "a statement could not be cancelled")) }
    settling.isCancelOver = true
    state = .settling(settling)
    timer?.schedule(after: .milliseconds(5 << min(settling.cancelRequests, 8)))
    if case .copy = traffic { copyInputArrived() } else { settle() }
  }

  /// Goes on with tidying up once the wire is quiet and no cancel request is under way.
  func settle() {
    guard case .settling(var settling) = state, case .none = traffic, settling.isCancelOver else { return }
    results.removeAll(keepingCapacity: true)
    if settling.isProven && !wire.isInTransaction {
      timer?.cancel()
      state = .idle
      owner?.linkReady(self)
      return
    }
    settling.rounds += 1
    settling.isProven = true
    state = .settling(settling)
    guard settling.rounds <= Self.maximumRounds else {
      return close(PostgresError(.connectionLost, "a transaction could not be rolled back"))
    }
    timer?.schedule(after: Self.settleLimit)
    proveQuiet()
  }

  /// A request to cancel that comes too late for its statement hits this unit, which expects nothing.
  private func proveQuiet() {
    commands.removeAll(keepingCapacity: true)
    position = 0
    failure = nil
    do {
      guard wire.enterPipeline() else { return lost() }
      if wire.isInTransaction {
        forgetSettings()
        try send("ROLLBACK", as: .control)
      }
      guard wire.sync() else { return lost() }
    } catch { return lost() }
    traffic = .unit
    flush()
  }
}
