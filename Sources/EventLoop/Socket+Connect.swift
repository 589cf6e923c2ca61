extension Socket {
  /// Connects to the first of the addresses that answers, trying them in order. Runs on `loop`.
  /// - Parameter timeout: For each address.
  /// - Throws: The last address's `SocketError`, or `CancellationError`.
  package static func connected(
    to addresses: [SocketAddress], on loop: EventLoop, timeout: Duration
  ) async throws -> Socket {
    var failure = SocketError(code: SocketError.timedOut, operation: "connect")
    for address in addresses {
      do { return try await connected(to: address, on: loop, timeout: timeout) } catch let error as SocketError {
        failure = error
      }
    }
    throw failure
  }

  private static func connected(
    to address: SocketAddress, on loop: EventLoop, timeout: Duration
  ) async throws -> Socket {
    let socket = try connecting(to: address)
    let promise = Promise<Void>(on: loop)
    let operation = "connect"
    let watcher = SocketWatcher(
      socket, on: loop, onReadable: {},
      onWritable: {
        if let error = socket.takeError() {
          promise.fail(SocketError(code: error.code, operation: operation))
        } else {
          promise.succeed(())
        }
      })
    let timer = Timer(on: loop) { promise.fail(SocketError(code: SocketError.timedOut, operation: operation)) }
    timer.schedule(after: timeout)
    watcher.watchesWriting = true
    defer {
      watcher.stop()
      timer.cancel()
    }
    try await promise.value()
    return socket
  }
}
