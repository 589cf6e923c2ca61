#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// The monotonic clock in plain nanoseconds, for what happens in every call: `ContinuousClock`'s instants cost several times as
/// much to make and to subtract.
package enum MonotonicTime {
  /// Nanoseconds since some moment before the process began; never 0.
  package static var now: UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec) | 1
  }
}
