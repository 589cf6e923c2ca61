import Contract
import EventLoop
import GRPC
import Proto

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Asks for the segments of random users for a while, and prints how many calls were answered in a second: h2load sends the same
/// request every time, which a server may answer from one row. One thread.
///
///     load-client HOST:PORT,... PATH USERS SECONDS CONNECTIONS STREAMS
@main
struct LoadClient {
  static func main() async throws {
    let arguments = CommandLine.arguments.dropFirst()
    let numbers = arguments.dropFirst(2).compactMap { Int64($0) }
    guard arguments.count == 6, numbers.count == 4, let servers = arguments.first else {
      print("usage: load-client HOST:PORT,... PATH USERS SECONDS CONNECTIONS STREAMS")
      exit(64)
    }
    let target = try Target(servers)
    let method = MethodDescriptor<GetUserSegmentsRequest, GetUserSegmentsResponse>(
      path: arguments[2], request: .proto, response: .proto)
    let loop = try EventLoop(name: "load")
    let thread = try loop.start()
    let users = numbers[0]
    let end = ContinuousClock.now + .seconds(numbers[1])
    let begin = ContinuousClock.now
    let count = await withTaskGroup(of: Int.self) { group in
      for _ in 0..<numbers[2] {
        let channel = Channel(to: target, on: loop)
        for _ in 0..<numbers[3] {
          group.addTask(executorPreference: loop) { await calls(channel, method, users: users, until: end) }
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
  private static func calls(
    _ channel: Channel, _ method: MethodDescriptor<GetUserSegmentsRequest, GetUserSegmentsResponse>, users: Int64,
    until end: ContinuousClock.Instant
  ) async -> Int {
    var random = SystemRandomNumberGenerator()
    var count = 0
    while ContinuousClock.now < end {
      let user = Int64.random(in: 1...users, using: &random)
      do {
        let answer = try await channel.unary(method, GetUserSegmentsRequest(userID: user))
        guard answer.segments.count == 5 else { fail("user \(user) has \(answer.segments.count) segments") }
      } catch { fail("\(error)") }
      count += 1
    }
    return count
  }

  private static func fail(_ reason: String) -> Never {
    print("load-client: \(reason)")
    exit(1)
  }
}
