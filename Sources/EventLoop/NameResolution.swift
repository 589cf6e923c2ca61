import Dispatch

extension SocketAddress {
  /// Resolves a host name without holding up the loop: the system's resolver, which only knows how to block, works on a thread
  /// of its own. A numeric address is taken at once.
  /// - Returns: All addresses, in the resolver's order of preference; never empty.
  /// - Throws: `SocketError`, or `CancellationError`; the resolver then goes on for nobody.
  package static func resolve(_ endpoint: Endpoint, on loop: EventLoop) async throws -> [SocketAddress] {
    if let address = numeric(endpoint) { return [address] }
    let promise = Promise<[SocketAddress]>(on: loop)
    DispatchQueue.global().async {
      let result = Result { try resolve(endpoint) }
      loop.execute { promise.settle(result) }
    }
    return try await promise.value()
  }

  /// The address when the host is one, nil when it is a name.
  package static func numeric(_ endpoint: Endpoint) -> SocketAddress? {
    try? resolve(endpoint, onlyNumeric: true).first
  }
}
