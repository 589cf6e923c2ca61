/// A server's limits, for all connections of a loop to refer to: a copy in each would cost an idle one a fifth of a kilobyte.
final class SharedLimits: Sendable {
  let limits: ServerLimits

  init(_ limits: ServerLimits) {
    self.limits = limits
  }
}
