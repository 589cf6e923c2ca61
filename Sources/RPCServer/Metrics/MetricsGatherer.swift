import EventLoop
import Metrics

/// Asks every loop what it has counted, and adds it up.
struct MetricsGatherer: Sendable {
  /// Fills in a set on the loop that it belongs to.
  typealias Collector = @Sendable (inout MetricSet) -> Void

  private let collectors: [(loop: EventLoop, collect: Collector)]

  init(_ collectors: [(loop: EventLoop, collect: Collector)]) {
    self.collectors = collectors
  }

  /// The process's numbers, then the loops', always in the same order.
  func gather() async -> MetricSet {
    var set = MetricSet()
    ProcessMetrics.collect(into: &set)
    let parts = await withTaskGroup(of: (Int, MetricSet).self) { group in
      for (index, (loop, collect)) in collectors.enumerated() {
        group.addTask(executorPreference: loop) {
          var part = MetricSet()
          collect(&part)
          return (index, part)
        }
      }
      return await group.reduce(into: [Int: MetricSet]()) { $0[$1.0] = $1.1 }
    }
    for (_, part) in parts.sorted(by: { $0.key < $1.key }) { set.merge(part) }
    return set
  }
}
