import HTTP2
import TLS

/// What a server takes from its callers. Sizes are in bytes.
package struct ServerConfiguration: Sendable {
  package var http2 = HTTP2Configuration()
  /// The largest message that is taken; a larger one is answered with RESOURCE_EXHAUSTED.
  package var maxMessageSize = 4 << 20
  /// How much of a request stream may wait for its handler before the sender is held back.
  package var inboundHighWater = 256 << 10
  /// Whether answers are compressed, for callers that take it, when their handlers do not say.
  package var compressesAnswers = false
  /// Such answers are compressed from this size on.
  package var compressionThreshold = 1 << 10
  /// Nil: connections without TLS.
  package var tls: TLSServerIdentity?
  /// How long a TLS handshake may take.
  package var tlsHandshakeTimeout = Duration.seconds(10)

  package var limits = ServerLimits()

  package init() {
    http2.floods = FloodLimits()
  }
}
