import ArgumentParser

/// The official flags of rpc_soak and channel_soak, with their official defaults.
struct SoakOptions: ParsableArguments, Sendable {
  @Option(name: .customLong("soak_iterations"), help: "Soaks: how many calls.")
  var iterations = 10
  @Option(name: .customLong("soak_max_failures"), help: "Soaks: how many of them may fail or be late.")
  var maxFailures = 0
  @Option(name: .customLong("soak_per_iteration_max_acceptable_latency_ms"), help: "Soaks: milliseconds for one.")
  var acceptableLatency = 1000
  @Option(name: .customLong("soak_overall_timeout_seconds"), help: "Soaks: seconds for all.")
  var overallTimeout = 10
  @Option(name: .customLong("soak_min_time_ms_between_rpcs"), help: "Soaks: milliseconds from one's start to the next.")
  var timeBetween = 0
  @Option(name: .customLong("soak_request_size"), help: "Soaks: bytes of a request's payload.")
  var requestSize = 271_828
  @Option(name: .customLong("soak_response_size"), help: "Soaks: bytes of a response's payload.")
  var responseSize = 314_159
  @Option(name: .customLong("soak_num_threads"), help: "Soaks: how many make the calls at once, an equal share each.")
  var threads = 1

  func validate() throws {
    let counts = [iterations, maxFailures, acceptableLatency, overallTimeout, timeBetween]
    guard counts.allSatisfy({ (0...Int(Int32.max)).contains($0) }) else {
      throw ValidationError("The counts and times of soaks are 0 to 2147483647.")
    }
    guard [requestSize, responseSize].allSatisfy({ (0...64 << 20).contains($0) }) else {
      throw ValidationError("The sizes of soaks are 0 to 67108864.")
    }
    guard (1...1000).contains(threads), iterations % threads == 0 else {
      throw ValidationError("--soak_num_threads is 1 to 1000 and divides --soak_iterations.")
    }
  }
}
