import EventLoop

/// COPY TO STDOUT: rows are taken from libpq as fast as the caller takes them. While it is busy with a row the socket is
/// not read, so the server waits, and what is buffered here stays at what one read of the socket brought.
extension Link {
  /// The signature, the flags and the length of the extension: what a binary COPY begins with.
  private static let headerLength = 19
  private static let signature: [UInt8] = Array("PGCOPY\n".utf8) + [0xFF] + Array("\r\n\0".utf8)
  /// How often in a row input is taken without letting the loop do something else.
  private static let eagerReadLimit = 12
  /// How long what the server sends is left to gather, once all that had come is taken.
  private static let gatherTime = Duration.microseconds(300)

  func copyOut(
    _ sql: String, opening: Opening, deadline: ContinuousClock.Instant?,
    _ row: (UnsafeRawBufferPointer) async throws -> Void
  ) async throws {
    try sendScript(sql, opening: opening, deadline: deadline, as: .copy)
    let mine = serial
    do {
      try await copyBegan()
      var isFirst = true
      while let message = try await nextCopied() {
        defer { wire.freeCopied(message.start) }
        var bytes = UnsafeRawBufferPointer(start: message.start, count: message.count)
        if isFirst {
          bytes = try Self.skippingHeader(bytes)
          isFirst = false
        }
        if bytes.isEmpty || Self.isTrailer(bytes) { continue }
        try await row(bytes)
        try goOn(mine)
      }
    } catch {
      if serial == mine, case .busy = state { abandon() }
      throw error
    }
  }

  /// The same for a caller that takes rows without waiting: all that have come are handed over at once.
  func copyOut(
    _ sql: String, opening: Opening, deadline: ContinuousClock.Instant?,
    rows row: (UnsafeRawBufferPointer) throws -> Void
  ) async throws {
    try sendScript(sql, opening: opening, deadline: deadline, as: .copy)
    let mine = serial
    do {
      try await copyBegan()
      var isFirst = true
      while true {
        switch wire.receiveCopied() {
        case .row(let start, let count):
          defer { wire.freeCopied(start) }
          hasCopied = true
          var bytes = UnsafeRawBufferPointer(start: start, count: count)
          if isFirst {
            bytes = try Self.skippingHeader(bytes)
            isFirst = false
          }
          if !bytes.isEmpty, !Self.isTrailer(bytes) { try row(bytes) }
        case .needsInput: try await copyMore()
        case .end, .failed: return try await finishCopy()
        }
      }
    } catch {
      if serial == mine, case .busy = state { abandon() }
      throw error
    }
  }

  /// The caller's row took its time: is the exchange still ours?
  private func goOn(_ mine: Int) throws {
    if serial == mine, case .busy = state { return }
    if case .closed(let error) = state { throw error }
    throw PostgresError.timedOut
  }

  /// Waits for the server's consent to the COPY, past the results of what came before it.
  private func copyBegan() async throws {
    while true {
      while wire.isBusy { try await moreInput() }
      switch wire.receive() {
      case .copyOut: return
      case .result, .skipped, .synced: continue
      case .failed(let error): scriptFailed(error)
      case .commandEnd:
        try await finishCopy()
        throw PostgresError(.misuse, "the statement is not COPY ... TO STDOUT")
      case .unexpected(let what):
        close(PostgresError(.connectionLost, "unexpected \(what) from the server"))
      }
      if case .closed(let error) = state { throw error }
    }
  }

  private func nextCopied() async throws -> (start: UnsafeMutablePointer<CChar>, count: Int)? {
    while true {
      switch wire.receiveCopied() {
      case .row(let start, let count):
        hasCopied = true
        return (start, count)
      case .needsInput: try await copyMore()
      case .end, .failed:
        try await finishCopy()
        return nil
      }
    }
  }

  /// Takes in what the socket has, and lets the loop do something else when there is nothing, or now and then.
  ///
  /// PostgreSQL sends 8 KiB at a time. To be woken for each of them would cost it, and this side, more than the rows do: what it sends
  /// gathers for a moment in the socket, which takes 190 KiB.
  private func copyMore() async throws {
    if !hasCopied, eagerReads > 0 {
      try await gather()
    } else if eagerReads == Self.eagerReadLimit || !hasCopied {
      eagerReads = 0
      return try await moreInput()
    }
    hasCopied = false
    eagerReads += 1
    guard wire.consume() else { throw lostInCopy() }
  }

  private func gather() async throws {
    eagerReads = -1
    if gathering == nil {
      gathering = try? FineTimer(on: loop) { [unowned self] in
        if case .copy = traffic, isGathering { takeWaiter()?.succeed(()) }
      }
    }
    guard let gathering else { return }
    watcher?.watchesReading = false
    isGathering = true
    defer { isGathering = false }
    gathering.schedule(after: Self.gatherTime)
    try await outcome()
  }

  /// Reads the results behind the last row, the error of the COPY among them.
  private func finishCopy() async throws {
    var isOver = false
    while !isOver {
      while wire.isBusy { try await moreInput() }
      switch wire.receive() {
      case .commandEnd: isOver = true
      case .failed(let error): scriptFailed(error)
      default: break
      }
      if case .closed(let error) = state { throw error }
    }
    let failure = failure.map(outcome)
    scriptEnded()
    if case .closed(let error) = state { throw error }
    if let failure { throw failure }
  }

  private func moreInput() async throws {
    watcher?.watchesReading = true
    try await outcome()
  }

  private func lostInCopy() -> PostgresError {
    lost()
    if case .closed(let error) = state { return error }
    return PostgresError(.connectionLost, "the connection was lost")
  }

  /// Input for a COPY: wakes its reader, or throws the rest away when there is none any more.
  func copyInputArrived() {
    if case .settling = state { return discardCopy() }
    if let waiter = takeWaiter() { return waiter.succeed(()) }
    // The reader is busy: until it asks again.
    watcher?.watchesReading = false
  }

  private func discardCopy() {
    while true {
      switch wire.receiveCopied() {
      case .row(let start, _): wire.freeCopied(start)
      case .needsInput:
        return
      case .end, .failed:
        // Not in COPY (any more): what follows are results, as of any script.
        traffic = .script
        return receiveScript()
      }
    }
  }

  private static func skippingHeader(_ bytes: UnsafeRawBufferPointer) throws -> UnsafeRawBufferPointer {
    guard bytes.count >= headerLength, bytes.starts(with: signature) else {
      throw PostgresError(.misuse, "the COPY is not in binary format")
    }
    let extensionLength = Int(bytes.bigEndian(at: headerLength - 4) as UInt32)
    guard bytes.count - headerLength >= extensionLength else {
      throw PostgresError(.decoding, "the header of the COPY is cut short")
    }
    return UnsafeRawBufferPointer(rebasing: bytes[(headerLength + extensionLength)...])
  }

  /// A field count of -1.
  private static func isTrailer(_ bytes: UnsafeRawBufferPointer) -> Bool {
    bytes.count == 2 && bytes[0] == 0xFF && bytes[1] == 0xFF
  }
}
