import EventLoop
import Metrics

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// How busy a loop is: how late a timer of its comes, which is how long everything else on it waits too, and the CPU time of its
/// thread. Confined to its loop.
final class LoopMonitor: @unchecked Sendable {
  private static let interval = Duration.milliseconds(250)

  private static let lag = MetricFamily(
    "segmentd_loop_lag_seconds", .histogram, "How late a timer of an event loop came, sampled four times a second")
  private static let cpu = MetricFamily(
    "segmentd_loop_cpu_seconds_total", .counter, "CPU time of each event loop's thread")

  private let loop: EventLoop
  private var lag = Histogram()
  private var due = ContinuousClock.now
  private var timer: Timer?

  init(on loop: EventLoop) {
    self.loop = loop
    timer = Timer(on: loop) { [unowned self] in
      lag.observe(UInt64(max(0, (.now - due) / .nanoseconds(1))))
      schedule()
    }
    schedule()
  }

  func stop() {
    timer = nil
  }

  func collect(into set: inout MetricSet) {
    set.add(Self.lag, lag)
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    set.add(Self.cpu, Double(time.tv_sec) + Double(time.tv_nsec) / 1e9, ["loop": loop.name])
  }

  private func schedule() {
    due = .now + Self.interval
    timer?.schedule(after: Self.interval)
  }
}
