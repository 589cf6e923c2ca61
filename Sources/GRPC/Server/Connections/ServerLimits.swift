/// What a server allows its connections, beside what HTTP/2 says to the peer. The defaults are those of a public server.
package struct ServerLimits: Sendable {
  /// Connections of all loops together; one more is closed at once.
  package var connections = 10_000
  /// Calls of one loop at once, and handlers that run: one more call is refused (UNAVAILABLE, or REFUSED_STREAM, which clients
  /// take for the same).
  package var runningHandlers = 20_000
  /// From accepting a connection to the client's HTTP/2 preface and settings.
  package var handshakeTimeout = Duration.seconds(10)
  /// From the first byte of a frame or a header block to its last.
  package var frameTimeout = Duration.seconds(30)
  /// A client that takes nothing of what is queued for it is cut off after this.
  package var stallTimeout = Duration.seconds(600)
  /// The most that may be queued for a client that takes it slowly, in bytes; more is given `crowdedTimeout`.
  package var queuedOutput = 8 << 20
  /// The most bytes of requests that may wait on one connection, and on one loop; a call that would make it more is answered
  /// with RESOURCE_EXHAUSTED.
  package var queuedInput = 64 << 20
  package var queuedInputOfLoop = 512 << 20
  /// How long a connection may have more than `queuedOutput` queued without taking a sixteenth of that.
  package var crowdedTimeout = Duration.seconds(10)
  /// A connection without calls for so long is told to go.
  package var idleTimeout = Duration.seconds(1800)
  /// A connection that is so old, give or take a tenth, is told to go: its calls go on, new ones go elsewhere.
  package var connectionAge = Duration.seconds(7200)
  /// What is left of its calls after that is ended.
  package var connectionAgeGrace = Duration.seconds(86_400)
  /// After so long without a byte from a client it is asked for a sign of life.
  package var keepaliveInterval = Duration.seconds(60)
  /// How long it may take to give one.
  package var keepaliveTimeout = Duration.seconds(20)

  package init() {}

  /// How often connections are looked at: often enough for the shortest of the times above.
  var lookInterval: Duration {
    let shortest = min(
      handshakeTimeout, frameTimeout, stallTimeout, crowdedTimeout, idleTimeout, connectionAge, keepaliveInterval,
      keepaliveTimeout)
    return min(.seconds(1), max(.milliseconds(5), shortest / 4))
  }
}
