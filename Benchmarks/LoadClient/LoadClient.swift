import Contract
import EventLoop
import GRPC
import Synchronization

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Makes calls for random users for a while, and prints how many were answered in a second: h2load sends the same request every
/// time, which a server may answer from one row. One thread.
///
///     load-client get HOST:PORT,... PATH USERS SECONDS CONNECTIONS STREAMS
///     load-client assign HOST:PORT,... SEGMENT USERS SECONDS CONNECTIONS STREAMS
///
/// SIGTERM ends it earlier, as if the time were over.
@main
struct LoadClient {
  private static let isStopped = Atomic<Bool>(false)

  static func main() async throws {
    let arguments = Array(CommandLine.arguments.dropFirst())
    let numbers = arguments.dropFirst(3).compactMap { Int64($0) }
    guard arguments.count == 7, numbers.count == 4,
      let load: any Load =
        switch arguments[0] {
        case "get": SegmentsOfRandomUsers(path: arguments[2], users: numbers[0])
        case "assign": AssignmentsOfUsers(segment: arguments[2], users: numbers[0])
        default: nil
        }
    else {
      print(
        """
        usage: load-client get HOST:PORT,... PATH USERS SECONDS CONNECTIONS STREAMS
               load-client assign HOST:PORT,... SEGMENT USERS SECONDS CONNECTIONS STREAMS
        """)
      exit(64)
    }
    let target = try Target(arguments[1])
    let loop = try EventLoop(name: "load")
    let thread = try loop.start()
    let signal = try await loop.perform {
      SignalWatcher(SIGTERM, on: loop) { isStopped.store(true, ordering: .relaxed) }
    }
    defer { withExtendedLifetime(signal) {} }
    let begin = ContinuousClock.now
    let end = begin + .seconds(numbers[1])
    let count = await withTaskGroup(of: Int.self) { group in
      for _ in 0..<numbers[2] {
        let channel = Channel(to: target, on: loop)
        for _ in 0..<numbers[3] {
          group.addTask(executorPreference: loop) { await calls(load, on: channel, until: end) }
        }
      }
      var count = 0
      for await answered in group { count += answered }
      return count
    }
    let (seconds, attoseconds) = (ContinuousClock.now - begin).components
    print(Int(Double(count) / (Double(seconds) + Double(attoseconds) / 1e18)))
    loop.stop()
    thread.join()
  }

  /// One call after the other; ends the program when one fails.
  private static func calls(_ load: any Load, on channel: Channel, until end: ContinuousClock.Instant) async -> Int {
    var count = 0
    while ContinuousClock.now < end, !isStopped.load(ordering: .relaxed) {
      do { try await load.call(channel) } catch {
        print("load-client: \(error)")
        exit(1)
      }
      count += 1
    }
    return count
  }
}
