/// Scripts and COPY go through the simple protocol, which libpq does not mix with pipeline mode.
extension Link {
  /// A script, or a COPY to a slow reader, may take as long as its caller waits.
  private static let noTimeout = "SET statement_timeout = 0"

  /// Runs any number of commands that are separated by semicolons; outside a transaction block they are one transaction.
  func script(
    _ sql: String, opening: Opening = .nothing, deadline: ContinuousClock.Instant?
  ) async throws {
    // On its own: a script of one command must not become one of two, which would be a transaction (VACUUM and its like
    // refuse that).
    if serverTimeout != 0 || planning != .automatic {
      try await unit(.nothing, deadline: deadline) {
        try plan(.automatic)
        try send(Self.noTimeout, as: .timeout(milliseconds: 0))
      }
    }
    try sendScript(sql, opening: opening, deadline: deadline, as: .script)
    try await outcome()
  }

  /// Puts a script on the wire.
  func sendScript(
    _ sql: String, opening: Opening, deadline: ContinuousClock.Instant?, as traffic: Traffic
  ) throws {
    try begin(deadline: deadline)
    let beginning: String =
      switch opening {
      case .nothing: ""
      case .begin(let isolation): "\(isolation.beginning);"
      }
    let timeout = serverTimeout == 0 ? "" : "\(Self.noTimeout);"
    let plan = planning == .automatic ? "" : Self.automaticScript
    guard wire.leavePipeline(), wire.sendScript(beginning + timeout + plan + sql) else {
      lost()
      throw PostgresError(.connectionLost, "the statement could not be sent")
    }
    serverTimeout = nil
    if planning != .automatic { planning = nil }
    self.traffic = traffic
    flush()
  }

  func receiveScript() {
    while case .script = traffic, !wire.isBusy {
      switch wire.receive() {
      case .commandEnd: return scriptEnded()
      case .failed(let error): scriptFailed(error)
      case .result, .skipped, .synced: break
      case .copyOut:
        guard case .settling = state else {
          return close(PostgresError(.misuse, "COPY is not part of a script: use copyOut"))
        }
        traffic = .copy
        return copyInputArrived()
      case .unexpected(let what): close(PostgresError(.misuse, "unexpected \(what) in a script"))
      }
    }
  }

  func scriptFailed(_ error: PostgresError) {
    if failure == nil { failure = error }
    if error.kind == .connectionLost { lost() }
  }

  func scriptEnded() {
    traffic = .none
    // A COPY reads only while its reader waits.
    watcher?.watchesReading = true
    guard !wire.isBroken, wire.enterPipeline() else { return lost() }
    exchangeEnded()
  }
}
