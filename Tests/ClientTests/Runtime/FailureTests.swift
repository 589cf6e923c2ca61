import Contract
import GRPC
import Proto
import Testing

@testable import Client

@Suite struct FailureTests {
  @Test(
    "each class of status has its exit code",
    arguments: [
      (.ok, 0), (.cancelled, 130), (.unknown, 70), (.invalidArgument, 6), (.deadlineExceeded, 8),
      (.notFound, 4),
      (.alreadyExists, 5), (.permissionDenied, 77), (.resourceExhausted, 75), (.failedPrecondition, 7), (.aborted, 75),
      (.outOfRange, 6), (.unimplemented, 70), (.internalError, 70), (.unavailable, 69), (.dataLoss, 70),
      (.unauthenticated, 77), (StatusCode(rawValue: 99), 70),
    ] as [(StatusCode, Int32)])
  func codes(_ code: StatusCode, exit: Int32) {
    #expect(ExitStatus(code).rawValue == exit)
  }

  @Test("no two classes share an exit code")
  func unique() {
    #expect(Set(ExitStatus.allCases.map(\.rawValue)).count == ExitStatus.allCases.count)
  }

  @Test("a status is one line, and its details follow")
  func details() {
    let plain = Failure.describe(RPCError(.notFound, "segment 'X' does not exist"))
    #expect(plain.status == .notFound)
    #expect(plain.lines == ["NOT_FOUND: segment 'X' does not exist"])
    let one = RPCError(violations: [.init(field: "slug", description: "is empty")])
    #expect(Failure.describe(one).lines == ["INVALID_ARGUMENT: slug is empty"])
    let two = RPCError(violations: [
      .init(field: "slug", description: "is empty"), .init(field: "outreach", description: "is above 1"),
    ])
    #expect(Failure.describe(two).lines == ["INVALID_ARGUMENT: slug is empty", "  outreach: is above 1"])
  }

  @Test("what must be done first is told, and the call's id where the server's log has more")
  func remedies() {
    let violation = GoogleRPCPreconditionFailure.Violation(type: "MIGRATION", description: "run `segmentd migrate up`")
    let id = GoogleRPCRequestInfo(requestID: "abc")
    let old = RPCError(
      .failedPrecondition, "old", with: .packing(GoogleRPCPreconditionFailure(violations: [violation]), id))
    #expect(
      Failure.describe(old).lines == [
        "FAILED_PRECONDITION: old", "  run `segmentd migrate up`", "  the server's log has more under request id abc",
      ])
    let mine = RPCError(.notFound, "no such user", with: .packing(id))
    #expect(Failure.describe(mine).lines == ["NOT_FOUND: no such user"])
  }

  @Test("who reaches no server is told how to come by one, and nobody else")
  func unreachable() {
    let nobody = RPCError(.unavailable, "cannot reach h:1: connect: Connection refused", reason: .unreachable)
    #expect(
      Failure.describe(nobody).lines == [
        "UNAVAILABLE: cannot reach h:1: connect: Connection refused; 'segmentd serve' starts a server, --address or "
          + "SEGCTL_ADDRESS names another"
      ])
    #expect(Failure.describe(RPCError(.unavailable, "stopping")).lines == ["UNAVAILABLE: stopping"])
  }

  @Test("details that are added go behind those that are there, and come with a reason when there are none")
  func adding() throws {
    let more = [ProtoAny].packing(GoogleRPCRequestInfo(requestID: "abc"))
    let bare = RPCError(.unimplemented, "no", reason: "UNKNOWN_METHOD").adding(more)
    #expect(bare.detail(GoogleRPCErrorInfo.self)?.reason == "UNKNOWN_METHOD")
    #expect(bare.detail(GoogleRPCRequestInfo.self)?.requestID == "abc")
    let rich = RPCError(violations: [.init(field: "slug", description: "is empty")]).adding(more)
    let status = try GoogleRPCStatus(decoding: rich.details)
    #expect(status.code == 3 && status.message == "slug is empty")
    #expect(
      status.details.map(\.messageName).map { String($0) } == [
        "google.rpc.ErrorInfo", "google.rpc.BadRequest", "google.rpc.RequestInfo",
      ])
  }

  @Test("a message of the server cannot move the cursor")
  func escapes() {
    #expect(Failure.describe(RPCError(.unknown, "a\u{1b}[2J\nb")).lines == ["UNKNOWN: a\\u{1b}[2J\\u{a}b"])
  }
}
