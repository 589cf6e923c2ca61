/// How long things took, counted in buckets. A value: whoever owns one is the only one that counts in it.
///
/// The bounds suit calls, from a coalesced read to a slow export; what takes longer than the last is in a bucket without one.
package struct Histogram: Sendable, Equatable {
  /// The buckets' upper bounds in nanoseconds, inclusive.
  package static let bounds: [UInt64] = [
    100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000, 25_000_000, 50_000_000, 100_000_000,
    250_000_000, 500_000_000, 1_000_000_000, 2_500_000_000, 5_000_000_000, 10_000_000_000, 30_000_000_000,
  ]

  /// One more than there are bounds; empty before the first observation, as most of a server's histograms stay.
  private var counts: [UInt64] = []
  /// Nanoseconds, all observations together.
  package private(set) var sum: UInt64 = 0

  package init() {}

  /// How many observations there were.
  package var count: UInt64 { counts.reduce(0, &+) }

  package var isEmpty: Bool { counts.isEmpty }

  /// Counts something that took so many nanoseconds. Some nanoseconds itself, as the first bounds are the likely ones.
  package mutating func observe(_ nanoseconds: UInt64) {
    if counts.isEmpty { counts = Array(repeating: 0, count: Self.bounds.count + 1) }
    var bucket = 0
    while bucket < Self.bounds.count, nanoseconds > Self.bounds[bucket] { bucket += 1 }
    counts[bucket] &+= 1
    sum &+= nanoseconds
  }

  package mutating func add(_ other: Histogram) {
    sum &+= other.sum
    guard !counts.isEmpty, !other.counts.isEmpty else {
      if counts.isEmpty { counts = other.counts }
      return
    }
    for bucket in counts.indices { counts[bucket] &+= other.counts[bucket] }
  }

  /// For each bound in seconds how many observations were not above it; infinity comes last.
  var cumulative: [(bound: Double, count: UInt64)] {
    var total: UInt64 = 0
    return Self.bounds.indices.map { bucket in
      total &+= counts.isEmpty ? 0 : counts[bucket]
      return (Double(Self.bounds[bucket]) / 1e9, total)
    } + [(.infinity, count)]
  }
}
