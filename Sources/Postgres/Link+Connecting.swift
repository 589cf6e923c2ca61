import EventLoop

extension Link {
  /// Begins; call once the owner is set.
  func connect() {
    timer?.schedule(after: configuration.connectTimeout)
    // libpq's manual: before the first poll behave as if it had asked to write.
    wire.isBroken ? connectFailed() : watch(writing: true)
  }

  private func poll() {
    guard case .connecting = state else { return }
    // libpq may close its socket and open another one (next host, next address), even under the same number.
    watcher?.stop()
    watcher = nil
    switch wire.poll() {
    case .reading: watch(writing: false)
    case .writing: watch(writing: true)
    case .done: connected()
    case .failed: connectFailed()
    }
  }

  private func watch(writing: Bool) {
    guard wire.descriptor >= 0 else { return connectFailed() }
    let watcher = SocketWatcher(
      descriptor: wire.descriptor, on: loop, onReadable: { [unowned self] in poll() },
      onWritable: { [unowned self] in poll() })
    watcher.watchesReading = !writing
    watcher.watchesWriting = writing
    self.watcher = watcher
  }

  private func connectFailed() {
    close(PostgresError(.connectFailed, wire.message))
  }

  private func connected() {
    guard wire.parameter("integer_datetimes") == "on", wire.parameter("client_encoding") == "UTF8" else {
      return close(PostgresError(.connectFailed, "the server has no integer timestamps or no UTF8"))
    }
    guard wire.becomeNonBlocking(), wire.enterPipeline(), let canceller = wire.makeCanceller() else {
      return connectFailed()
    }
    self.canceller = canceller
    timer?.cancel()
    serverTimeout = configuration.statementTimeout.settingMilliseconds
    let watcher = SocketWatcher(
      descriptor: wire.descriptor, on: loop, onReadable: { [unowned self] in inputArrived() },
      onWritable: { [unowned self] in flush() })
    watcher.watchesReading = true
    self.watcher = watcher
    state = .idle
    owner?.linkReady(self)
  }
}
