import Contract
import EventLoop
import GRPC
import Logging
import Postgres
import Proto
import Segmentation
import Testing

@testable import RPCServer

@Suite("The contract")
struct ContractTests {
  /// What is in the protos and not in this version.
  static let notYet: Set<String> = []

  @Test("every method of the protos has a handler, or is named as not there yet")
  func everyMethodHasAHandler() async throws {
    let group = try LoopGroup(count: 1)
    defer { group.stop() }
    let loop = group.loops[0]
    // No connection is made before a call needs one.
    let database = PostgresConfiguration(connectionString: "host=/nowhere")
    let handled = try await loop.perform {
      LoopServices(on: loop, database: database, settings: SegmentationSettings(), logger: Logger(label: "test"))
        .router.paths
    }
    let described = Set(ProtoRegistry.methods.map(\.path))
    #expect(described.subtracting(handled) == Self.notYet)
    // The same messages under another package, and no proto of its own.
    #expect(handled.subtracting(described) == ["/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"])
  }

  @Test("actions have the same numbers in the audit log and in the protos")
  func actionsHaveTheSameNumbers() {
    let known = Segmentation.AuditAction.allCases.map { Int32($0.rawValue) }
    #expect(known == Proto.AuditAction.allCases.dropFirst().map(\.rawValue))
  }

  @Test("causes have the same numbers in the audit log and in the protos")
  func causesHaveTheSameNumbers() {
    let known = Segmentation.AuditCause.allCases.map { Int32($0.rawValue) }
    #expect(known == Proto.AuditCause.allCases.dropFirst().map(\.rawValue))
  }
}

@Suite("Status mapping")
struct StatusMappingTests {
  static let cases: [(SegmentationError, StatusCode)] = [
    (.invalid(field: "slug", reason: "must not be empty"), .invalidArgument),
    (.unavailable, .unavailable), (.exhausted(retryAfter: .seconds(2)), .resourceExhausted),
    (.deadlineExceeded, .deadlineExceeded), (.cancelled, .cancelled), (.aborted, .aborted),
    (.notMigrated(current: 0, needed: 1), .failedPrecondition), (.internal("secret"), .internalError),
  ]

  @Test("each error of the domain has its status", arguments: cases)
  func eachErrorHasItsStatus(_ error: SegmentationError, _ code: StatusCode) {
    #expect(StatusMapping.status(of: error).code == code)
  }

  @Test("an exhausted pool tells when to try again")
  func anExhaustedPoolTellsWhenToTryAgain() {
    let status = StatusMapping.status(of: .exhausted(retryAfter: .milliseconds(1500)))
    #expect(status.detail(GoogleRPCRetryInfo.self)?.retryDelay == ProtoDuration(seconds: 1, nanos: 500_000_000))
  }

  @Test("a wrong field is named in the details")
  func aWrongFieldIsNamed() {
    let status = StatusMapping.status(of: .invalid(field: "outreach", reason: "must be a number from 0 to 1"))
    let violations = status.detail(GoogleRPCBadRequest.self)?.fieldViolations
    #expect(violations?.map(\.field) == ["outreach"])
  }

  @Test("nothing internal reaches the caller")
  func nothingInternalReachesTheCaller() {
    #expect(!StatusMapping.status(of: .internal("secret")).message.contains("secret"))
  }
}
