import Metrics

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// What the system knows of the process, under the names that every Prometheus client has for it, and which build it is.
enum ProcessMetrics {
  private static let build = MetricFamily("segmentd_build_info", .gauge, "Always 1; the labels say which build runs")
  private static let cpu = MetricFamily(
    "process_cpu_seconds_total", .counter, "Total user and system CPU time spent in seconds")
  private static let resident = MetricFamily("process_resident_memory_bytes", .gauge, "Resident memory size in bytes")
  private static let virtual = MetricFamily("process_virtual_memory_bytes", .gauge, "Virtual memory size in bytes")
  private static let start = MetricFamily(
    "process_start_time_seconds", .gauge, "Start time of the process since unix epoch in seconds")
  private static let files = MetricFamily("process_open_fds", .gauge, "Number of open file descriptors")
  private static let mostFiles = MetricFamily("process_max_fds", .gauge, "Maximum number of open file descriptors")

  /// When this program was loaded, near enough to when it was started: seconds since 1970.
  private static let startTime = seconds(CLOCK_REALTIME)

  /// Call early, so that the start time is one.
  static func begin() {
    _ = startTime
  }

  static func collect(into set: inout MetricSet) {
    set.add(build, 1, ["version": Segmentd.version])
    set.add(cpu, seconds(CLOCK_PROCESS_CPUTIME_ID))
    set.add(start, startTime)
    var limit = rlimit()
    if getrlimit(.files, &limit) == 0 { set.add(mostFiles, Double(limit.rlim_cur)) }
    #if os(Linux)
      // Pages: all of the program, and those in memory.
      let pages = System.text(of: "/proc/self/statm")?.split(separator: " ").prefix(2).compactMap { Int($0) } ?? []
      if pages.count == 2 {
        set.add(virtual, pages[0] * sysconf(Int32(_SC_PAGESIZE)))
        set.add(resident, pages[1] * sysconf(Int32(_SC_PAGESIZE)))
      }
      // Without the one that looks.
      set.add(files, max(0, System.names(in: "/proc/self/fd").count - 1))
    #endif
  }

  private static func seconds(_ clock: clockid_t) -> Double {
    var time = timespec()
    clock_gettime(clock, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }

  /// The resource's number has another type on each system.
  private enum Resource { case files }

  private static func getrlimit(_ resource: Resource, _ limit: inout rlimit) -> Int32 {
    #if canImport(Glibc)
      Glibc.getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    #else
      Darwin.getrlimit(RLIMIT_NOFILE, &limit)
    #endif
  }
}
