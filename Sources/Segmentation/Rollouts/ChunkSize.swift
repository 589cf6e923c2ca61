/// How many rows go into one transaction: as many as take a certain time. While it runs, whoever wants one of its rows waits,
/// and so do those who follow the audit log.
struct ChunkSize: Hashable, Sendable {
  static let smallest = 100
  static let largest = 50_000

  private let target: Duration
  private(set) var rows = 1000

  init(target: Duration) {
    self.target = target
  }

  /// A chunk of that many rows took so long.
  mutating func took(_ time: Duration, rows done: Int) {
    // The last one may be short and tells little.
    guard done >= rows else { return }
    let factor = min(max(target / max(time, .microseconds(1)), 0.5), 2)
    rows = Self.bounded(Double(rows) * factor)
  }

  /// Others got in the way.
  mutating func collided() {
    rows = Self.bounded(Double(rows) / 2)
  }

  private static func bounded(_ rows: Double) -> Int { min(max(Int(rows), smallest), largest) }
}
