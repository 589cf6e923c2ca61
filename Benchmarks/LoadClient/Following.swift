import Contract
import EventLoop
import GRPC
import Proto

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Microseconds since 1970 by the system's clock, which PostgreSQL on the same machine goes by too.
private var now: Int64 {
  var time = timespec()
  clock_gettime(CLOCK_REALTIME, &time)
  return Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000
}

/// When something happened to each user, printed as `user,microseconds`, a line each.
struct Instants: Sendable {
  private(set) var lines: [UInt8] = []
  private(set) var count: Int64 = 0

  mutating func happened(to user: Int64, at instant: Int64) {
    lines += Array("\(user),\(instant)\n".utf8)
    count += 1
  }

  func print() {
    lines.withUnsafeBytes { bytes in
      var offset = 0
      while offset < bytes.count {
        let written = write(1, bytes.baseAddress.map { $0 + offset }, bytes.count - offset)
        if written <= 0 { return }
        offset += written
      }
    }
  }
}

/// Follows the audit log from now on, and takes the time when a message has come, before it is looked into.
enum Follower {
  private struct Message: Sendable {
    let instant: Int64
    let bytes: [UInt8]
  }

  private static let method = MethodDescriptor<StreamAuditRequest, Message>(
    path: AuditService.Methods.streamAudit.path, request: .proto,
    response: MessageCoding(
      decode: { Message(instant: now, bytes: [UInt8]($0)) }, encode: { message, buffer in buffer += message.bytes }))

  /// Says `following` on standard output when it does.
  /// - Returns: When the record of each user came, of the first `count` records.
  static func follow(_ channel: Channel, count: Int64) async throws -> Instants {
    let call = try await channel.serverStreaming(
      method, StreamAuditRequest(start: .startPosition(.now), follow: true))
    var came = Instants()
    while let message = try await call.next() {
      let response = try StreamAuditResponse(decoding: message.bytes)
      switch response.event {
      case .heartbeat where came.count == 0:
        _ = "following\n".utf8.withContiguousStorageIfAvailable { write(1, $0.baseAddress, $0.count) }
      case .batch(let batch): for record in batch.records { came.happened(to: record.userID, at: message.instant) }
      default: break
      }
      if came.count >= count { break }
    }
    call.cancel()
    return came
  }
}

/// Puts one user after the other into a segment, so many a second whether or not the answers come.
enum Changes {
  /// - Returns: When each was answered.
  static func make(_ channel: Channel, on loop: EventLoop, segment: String, count: Int64, rate: Int64) async throws
    -> Instants
  {
    let begin = ContinuousClock.now
    return try await withThrowingTaskGroup(of: (Int64, Int64).self) { group in
      for user in 1...count {
        // The system's timers, which are exact.
        try await Task.sleep(until: begin + .microseconds(user * 1_000_000 / rate), tolerance: .zero)
        group.addTask(executorPreference: loop) {
          let request = UpdateUserSegmentsRequest(
            userID: user, assign: [SegmentAssignment(segment: SegmentSelector(segment: .slug(segment)))])
          let answer = try await channel.unary(MembershipService.Methods.updateUserSegments.descriptor, request)
          let instant = now
          guard answer.outcomes.map(\.outcome) == [.assigned] else { throw WrongAnswer(description: "\(answer)") }
          return (user, instant)
        }
      }
      var answered = Instants()
      for try await (user, instant) in group { answered.happened(to: user, at: instant) }
      return answered
    }
  }
}
