import EventLoop
import HTTP2

/// A gRPC server: a listener on every loop, which share nothing.
package final class GRPCServer: Sendable {
  let shares: [ServerLoop]
  /// Where it listens; the port is the one that the system chose when 0 was asked for.
  package let address: SocketAddress

  /// Starts to listen. Callable from any task.
  /// - Parameters:
  ///   - loops: At least one; they must be running.
  ///   - router: Makes the handlers of a loop, called once on each.
  /// - Throws: `SocketError` when the address cannot be had (`isAddressInUse`), or what `router` throws.
  package init(
    at endpoint: Endpoint, on loops: [EventLoop], configuration: ServerConfiguration = .init(),
    hooks: ServerHooks = .init(), router: @escaping @Sendable (EventLoop) throws -> Router
  ) async throws {
    let address = try Listener.reserve(SocketAddress.resolve(endpoint)[0])
    let budget = ConnectionBudget(limit: configuration.limits.connections)
    var shares: [ServerLoop] = []
    do {
      for loop in loops {
        let share = try await loop.perform {
          let share = try ServerLoop(
            on: loop, configuration: configuration, hooks: hooks, router: router(loop), budget: budget)
          try share.listen(at: address)
          return share
        }
        shares.append(share)
      }
    } catch {
      Self.stopListening(shares)
      throw error
    }
    self.address = address
    self.shares = shares
  }

  /// Serves a connection that somebody else has made, on the server's first loop. Call it there.
  package func serve(_ socket: Socket) {
    shares.first?.accepted(socket)
  }

  /// What its connections do and what they have been refused, all loops together. Callable from any task.
  package var counters: ConnectionCounters {
    get async {
      var sum = ConnectionCounters()
      for share in shares { sum = sum + ((try? await share.loop.perform { share.counters }) ?? .init()) }
      return sum
    }
  }

  deinit {
    Self.stopListening(shares)
  }

  /// Listeners are closed on their loops, wherever the server's last reference goes away.
  private static func stopListening(_ shares: [ServerLoop]) {
    for share in shares { share.loop.execute { share.stopListening() } }
  }

  /// Takes no more calls, lets those that are going on finish, and ends what is left after `grace`.
  package func shutDown(grace: Duration) async {
    await withTaskGroup(of: Void.self) { group in
      for share in shares {
        group.addTask(executorPreference: share.loop) { await share.shutDown(grace: grace) }
      }
    }
  }
}
