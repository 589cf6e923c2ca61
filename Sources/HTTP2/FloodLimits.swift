/// How often one client may do what costs us more than it costs the client. Each rate (a second) allows ten times as much at once.
package struct FloodLimits: Sendable {
  /// PINGs a second. One for each frame of an answer is free, as clients measure the line with them.
  package var pings = 10
  /// SETTINGS a second.
  package var settings = 10
  /// Streams a second that end with RST_STREAM: by the client (CVE-2023-44487), or by us because it broke the protocol
  /// (CVE-2025-8671). An honest client may cancel thousands of calls at once.
  package var resets = 1000
  /// Frames a second that carry nothing for a call: empty ones, PRIORITY, WINDOW_UPDATE beside the answers, unknown ones.
  package var emptyFrames = 1000
  /// CONTINUATION frames of one header block: a client may cut it as it likes, but not for ever (CVE-2024-28182).
  package var continuations = 100
  /// Frames that wait for a client whose socket takes nothing, beside two for each of its streams: what it makes us answer while it
  /// does not read.
  package var unread = 10_000

  package init() {}
}

/// What a client overdid.
package enum Flood: Sendable {
  case pings, settings, resets, emptyFrames, continuations, unread
}

/// An allowance that is used up and comes back with time.
struct Allowance {
  private static let burstSeconds = 10.0

  private let rate: Double
  private var left: Double

  init(perSecond rate: Int) {
    self.rate = Double(rate)
    left = self.rate * Self.burstSeconds
  }

  /// - Returns: Whether there was one left.
  mutating func take() -> Bool {
    left -= 1
    return left >= 0
  }

  mutating func add(_ count: Double) {
    left = min(left + count, rate * Self.burstSeconds)
  }

  /// - Parameter seconds: Since the last time.
  mutating func refill(seconds: Double) {
    add(rate * seconds)
  }
}
