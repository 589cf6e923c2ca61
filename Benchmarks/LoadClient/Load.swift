import Contract
import GRPC
import Proto
import TestSupport

/// A kind of call, each with other parameters than the one before. Confined to the loop of the channels.
protocol Load: Sendable {
  /// Makes a call and looks at the answer.
  func call(_ channel: Channel) async throws
}

/// An answer that is not what was asked for.
struct WrongAnswer: Error, CustomStringConvertible {
  let description: String
}

/// GetUserSegments of users who are in five segments each.
final class SegmentsOfRandomUsers: Load, @unchecked Sendable {
  private let method: MethodDescriptor<GetUserSegmentsRequest, GetUserSegmentsResponse>
  private let users: Int64
  // Without a system call for each number.
  private var random = SplitMix(seed: .random(in: 0 ... .max))

  init(path: String, users: Int64) {
    method = MethodDescriptor(path: path, request: .proto, response: .proto)
    self.users = users
  }

  func call(_ channel: Channel) async throws {
    let user = Int64.random(in: 1...users, using: &random)
    let answer = try await channel.unary(method, GetUserSegmentsRequest(userID: user))
    guard answer.segments.count == 5 else {
      throw WrongAnswer(description: "user \(user) has \(answer.segments.count) segments")
    }
  }
}

/// UpdateUserSegments: one segment for one user, who is not in it, all over the table.
final class AssignmentsOfUsers: Load, @unchecked Sendable {
  /// A prime that divides no number of users one would take, so that every user comes once.
  private static let stride: Int64 = 1_299_709
  private let method = MembershipService.Methods.updateUserSegments.descriptor
  private let segment: String
  private let users: Int64
  private var next: Int64 = 0

  init(segment: String, users: Int64) {
    self.segment = segment
    self.users = users
  }

  func call(_ channel: Channel) async throws {
    next += 1
    guard next <= users else { throw WrongAnswer(description: "all \(users) users are in \(segment)") }
    let request = UpdateUserSegmentsRequest(
      userID: next * Self.stride % users + 1,
      assign: [SegmentAssignment(segment: SegmentSelector(segment: .slug(segment)))])
    let answer = try await channel.unary(method, request)
    guard answer.outcomes.map(\.outcome) == [.assigned] else { throw WrongAnswer(description: "\(answer)") }
  }
}
