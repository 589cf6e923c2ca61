/// How long to wait before the next attempt to connect: doubling, with jitter, up to a limit.
struct Backoff {
  private static let first = Duration.milliseconds(50)
  private static let limit = Duration.seconds(5)
  private static let doublings = 7

  /// Attempts that failed since the last that succeeded.
  private(set) var failures = 0

  /// - Returns: Between half of the step and the step, so that many clients do not come back all at once.
  mutating func failed(using random: inout some RandomNumberGenerator) -> Duration {
    let step = min(Self.first * (1 << min(failures, Self.doublings)), Self.limit)
    failures += 1
    return step * Double.random(in: 0.5...1, using: &random)
  }

  mutating func succeeded() {
    failures = 0
  }
}
