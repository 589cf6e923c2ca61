import HTTP2
import TLS

/// What a client takes from its servers, and how it comes to them. Sizes are in bytes.
package struct ClientConfiguration: Sendable {
  package var http2: HTTP2Configuration
  /// The largest message that is taken; a larger one ends the call with RESOURCE_EXHAUSTED.
  package var maxMessageSize = 64 << 20
  /// How much of a response stream may wait for its reader before the server is held back.
  package var inboundHighWater = 1 << 20
  /// For each address, up to the server's first words in HTTP/2.
  package var connectTimeout = Duration.seconds(10)
  /// Between attempts to connect to an address.
  package var backoff = Backoff.Policy()
  /// Which of several addresses get the calls.
  package var balancing = Balancer.Policy.pickFirst
  /// nil repeats no call.
  package var retry: RetryPolicy? = RetryPolicy()
  /// nil never asks.
  package var keepalive: Keepalive.Policy?
  /// Sent as `user-agent`.
  package var userAgent = "segmentd-swift"
  /// Nil: connections without TLS.
  package var tls: TLSContext?
  /// What the server's certificate must be for; nil: the endpoint's host.
  package var tlsServerName: String?

  package init() {
    http2 = HTTP2Configuration()
    http2.streamWindow = 4 << 20
    http2.connectionWindow = 8 << 20
    http2.maxFrameSize = 64 << 10
  }
}

/// What a caller wants of one call.
package struct CallOptions: Sendable {
  /// The call ends with DEADLINE_EXCEEDED after this; the server is told too.
  package var timeout: Duration?
  package var metadata = Metadata()
  /// Waits for a server while none can be reached, as long as the timeout allows, instead of failing with UNAVAILABLE.
  package var waitsForReady = false
  /// Making the call twice does what making it once does: it is repeated also when a server that failed may have processed it.
  package var isIdempotent = false

  /// How requests are compressed; nil sends them as they are. Responses are taken in any coding.
  package var compression: MessageEncoding?

  package init(timeout: Duration? = nil, metadata: Metadata = .init()) {
    self.timeout = timeout
    self.metadata = metadata
  }
}
