import EventLoop
import GRPC
import InteropMessages

/// The cases rpc_soak and channel_soak: the same call again and again, each within a time, and all together too.
struct Soak: Sendable {
  let options: SoakOptions

  private struct Tally {
    var latencies: [Duration] = []
    var failures = 0
  }

  /// - Parameter connectsAnew: Each call has a channel of its own, whose making counts for its time.
  /// - Throws: `CaseFailed` when the calls were not made in time, or more of them failed than may.
  func run(_ calls: InteropCalls, connectsAnew: Bool) async throws {
    let end = ContinuousClock.now + .seconds(options.overallTimeout)
    let each = options.iterations / options.threads
    let tallies = await withTaskGroup(of: Tally.self) { group in
      for _ in 0..<options.threads {
        group.addTask(executorPreference: calls.channel.loop) {
          await repeated(each, calls, connectsAnew: connectsAnew, until: end)
        }
      }
      return await group.reduce(into: []) { $0.append($1) }
    }
    let latencies = tallies.flatMap(\.latencies).sorted()
    let failures = tallies.reduce(0) { $0 + $1.failures }
    print(summary(latencies, failures))
    guard latencies.count >= options.iterations else {
      throw CaseFailed(
        description:
          "the time of \(options.overallTimeout) s was over after \(latencies.count) of \(options.iterations) iterations"
      )
    }
    guard failures <= options.maxFailures else {
      throw CaseFailed(description: "\(failures) iterations failed, of which \(options.maxFailures) may")
    }
  }

  private func repeated(
    _ count: Int, _ calls: InteropCalls, connectsAnew: Bool, until end: ContinuousClock.Instant
  ) async -> Tally {
    var tally = Tally()
    for iteration in 0..<count {
      let start = ContinuousClock.now
      guard start < end else { break }
      let calls = connectsAnew ? calls.anew() : calls
      let failure = await failure(of: calls, until: end)
      let latency = ContinuousClock.now - start
      if connectsAnew { calls.channel.close() }
      tally.latencies.append(latency)
      let isLate = latency > .milliseconds(options.acceptableLatency)
      if failure != nil || isLate { tally.failures += 1 }
      let outcome =
        failure.map { "failed: \($0)" }
        ?? (isLate ? "exceeds max acceptable latency: \(options.acceptableLatency)" : "succeeded")
      print(
        "soak iteration: \(iteration) elapsed_ms: \(latency.milliseconds) server_uri: \(calls.channel.target) \(outcome)"
      )
      let pause = start + .milliseconds(options.timeBetween) - .now
      if pause > .zero { try? await calls.channel.loop.sleep(for: pause) }
    }
    return tally
  }

  /// What is wrong with one call.
  private func failure(of calls: InteropCalls, until end: ContinuousClock.Instant) async -> (any Error)? {
    var call = calls.options
    call.timeout = end - .now
    let request = SimpleRequest(
      responseSize: Int32(clamping: options.responseSize), payload: Payload(zeros: options.requestSize))
    do {
      let response = try await calls.channel.unary(TestService.Methods.unaryCall.descriptor, request, options: call)
      try expect(response.payload?.body.count ?? 0, options.responseSize, "the size of the response")
      return nil
    } catch { return error }
  }

  private func summary(_ latencies: [Duration], _ failures: Int) -> String {
    func percentile(_ percent: Int) -> Int64 {
      latencies.isEmpty ? 0 : latencies[(latencies.count - 1) * percent / 100].milliseconds
    }
    return """
      soak test ran: \(latencies.count) / \(options.iterations) iterations. total failures: \(failures). max failures threshold: \
      \(options.maxFailures). p50: \(percentile(50)) ms, p90: \(percentile(90)) ms, p100: \(percentile(100)) ms
      """
  }
}

extension InteropCalls {
  /// The same on a channel of its own, which the caller closes.
  fileprivate func anew() -> InteropCalls {
    InteropCalls(
      channel: Channel(to: channel.target, on: channel.loop, configuration: configuration),
      configuration: configuration,
      options: options)
  }
}

extension Duration {
  fileprivate var milliseconds: Int64 {
    components.seconds * 1000 + components.attoseconds / 1_000_000_000_000_000
  }
}
