import Contract
import EventLoop
import GRPC
import Synchronization

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A client that costs little, so that what is measured is the server. One thread for its connections.
///
///     load-client get HOST:PORT,... PATH USERS SECONDS CONNECTIONS STREAMS
///     load-client assign HOST:PORT,... SEGMENT USERS SECONDS CONNECTIONS STREAMS
///     load-client changes HOST:PORT SEGMENT COUNT RATE
///     load-client follow HOST:PORT COUNT
///
/// The first two make calls for other users each time (h2load sends the same request, which a server may answer from one row), and
/// print how many were answered in a second; SIGTERM ends them earlier, as if the time were over. `changes` makes `RATE` a second,
/// `follow` reads them; both print when what happened.
@main
struct LoadClient {
  private static let isStopped = Atomic<Bool>(false)
  private static let usage = """
    usage: load-client get HOST:PORT,... PATH USERS SECONDS CONNECTIONS STREAMS
           load-client assign HOST:PORT,... SEGMENT USERS SECONDS CONNECTIONS STREAMS
           load-client changes HOST:PORT SEGMENT COUNT RATE
           load-client follow HOST:PORT COUNT
    """

  static func main() async throws {
    let arguments = Array(CommandLine.arguments.dropFirst())
    let numbers = arguments.dropFirst(2).compactMap { Int64($0) }
    let loop = try EventLoop(name: "load")
    let thread = try loop.start()
    let signal = try await loop.perform {
      SignalWatcher(SIGTERM, on: loop) { isStopped.store(true, ordering: .relaxed) }
    }
    defer { withExtendedLifetime(signal) {} }
    do {
      switch (arguments.first, arguments.count, numbers.count) {
      case ("get", 7, 4):
        try await measure(
          SegmentsOfRandomUsers(path: arguments[2], users: numbers[0]), Target(arguments[1]), numbers, on: loop)
      case ("assign", 7, 4):
        try await measure(
          AssignmentsOfUsers(segment: arguments[2], users: numbers[0]), Target(arguments[1]), numbers, on: loop)
      case ("changes", 5, 2):
        let channel = Channel(to: try Target(arguments[1]), on: loop)
        try await Changes.make(channel, on: loop, segment: arguments[2], count: numbers[0], rate: numbers[1]).print()
      case ("follow", 3, 1):
        let channel = Channel(to: try Target(arguments[1]), on: loop)
        try await run(on: loop) { try await Follower.follow(channel, count: numbers[0]) }.print()
      default:
        print(usage)
        exit(64)
      }
    } catch {
      print("load-client: \(error)")
      exit(1)
    }
    loop.stop()
    thread.join()
  }

  private static func run<Output: Sendable>(
    on loop: EventLoop, _ body: @escaping @Sendable () async throws -> Output
  ) async throws -> Output {
    try await Task(executorPreference: loop) { try await body() }.value
  }

  /// - Parameter numbers: Users, seconds, connections, streams.
  private static func measure(
    _ load: any Load, _ target: Target, _ numbers: [Int64], on loop: EventLoop
  ) async throws {
    let begin = ContinuousClock.now
    let end = begin + .seconds(numbers[1])
    let count = try await withThrowingTaskGroup(of: Int.self) { group in
      for _ in 0..<numbers[2] {
        let channel = Channel(to: target, on: loop)
        for _ in 0..<numbers[3] {
          group.addTask(executorPreference: loop) { try await calls(load, on: channel, until: end) }
        }
      }
      var count = 0
      for try await answered in group { count += answered }
      return count
    }
    let (seconds, attoseconds) = (ContinuousClock.now - begin).components
    print(Int(Double(count) / (Double(seconds) + Double(attoseconds) / 1e18)))
  }

  /// One call after the other.
  private static func calls(
    _ load: any Load, on channel: Channel, until end: ContinuousClock.Instant
  ) async throws -> Int {
    var count = 0
    while ContinuousClock.now < end, !isStopped.load(ordering: .relaxed) {
      try await load.call(channel)
      count += 1
    }
    return count
  }
}
