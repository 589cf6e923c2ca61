import Proto
import Testing

/// Every message type, with random values: what is encoded is what is decoded.
@Suite("Round trips")
struct RoundTripTests {
  @Test("every message type decodes to what was encoded", arguments: randomMessages.map { AnyMessageType($0) })
  func everyMessage(_ type: AnyMessageType) throws {
    try check(type.type)
  }

  private func check<Message: RandomMessage>(_ type: Message.Type) throws {
    var source = RandomSource()
    #expect(try Message(decoding: []) == Message())
    #expect(try Message().encoded() == [])
    for _ in 0..<200 {
      let message = Message.random(&source)
      let bytes = try message.encoded()
      let decoded = try Message(decoding: bytes)
      #expect(decoded == message, "seed \(RandomSource.seed)")
      #expect(try decoded.encoded() == bytes, "seed \(RandomSource.seed)")
    }
  }

  @Test("the registry knows every message type by its name")
  func registry() {
    #expect(ProtoRegistry.messages.count == randomMessages.count)
    for type in randomMessages {
      #expect(ProtoRegistry.messages[type.fullName] == type)
    }
  }

  @Test("an enum value that the protos do not know survives", arguments: [7, 1000, Int32.max, -1, Int32.min])
  func unknownEnum(value: Int32) throws {
    let record = AuditRecord(action: AuditAction(rawValue: value))
    #expect(try AuditRecord(decoding: record.encoded()).action.rawValue == value)
    let request = StreamAuditRequest(actions: [.assign, AuditAction(rawValue: value)])
    #expect(try StreamAuditRequest(decoding: request.encoded()) == request)
    #expect(AuditAction(rawValue: value).name == String(value))
  }

  @Test("a oneof remembers a value that is its field's default")
  func defaultInOneof() throws {
    for choice in [SegmentSelector.SegmentChoice.slug(""), .id(0)] {
      let selector = SegmentSelector(segment: choice)
      #expect(try SegmentSelector(decoding: selector.encoded()) == selector)
    }
    let violation = GoogleRPCQuotaFailure.Violation(futureQuotaValue: 0)
    #expect(try GoogleRPCQuotaFailure.Violation(decoding: violation.encoded()).futureQuotaValue == 0)
    #expect(try GoogleRPCQuotaFailure.Violation(decoding: []).futureQuotaValue == nil)
  }

  @Test("equal maps become equal bytes, in the order of their keys")
  func mapsAreOrdered() throws {
    let keys = ["b", "a", "é", "ab", ""]
    let one = GoogleRPCErrorInfo(metadata: Dictionary(uniqueKeysWithValues: keys.map { ($0, "x") }))
    let other = GoogleRPCErrorInfo(metadata: Dictionary(uniqueKeysWithValues: keys.reversed().map { ($0, "x") }))
    #expect(try one.encoded() == other.encoded())
    let order = try one.encoded().split(separator: 0x1A, omittingEmptySubsequences: true).count
    #expect(order == keys.count)
  }

  @Test("the last of two values of a field wins")
  func lastWins() throws {
    let first = try GetUserSegmentsRequest(userID: 1, view: .full, asOf: ProtoTimestamp(seconds: 5, nanos: 5)).encoded()
    let second = try GetUserSegmentsRequest(userID: 2, asOf: ProtoTimestamp(seconds: 6, nanos: 6)).encoded()
    let merged = try GetUserSegmentsRequest(decoding: first + second)
    #expect(merged == GetUserSegmentsRequest(userID: 2, view: .full, asOf: ProtoTimestamp(seconds: 6, nanos: 6)))
    let slug = try SegmentSelector(segment: .slug("A")).encoded()
    let id = try SegmentSelector(segment: .id(7)).encoded()
    #expect(try SegmentSelector(decoding: slug + id) == SegmentSelector(segment: .id(7)))
    #expect(try SegmentSelector(decoding: id + slug) == SegmentSelector(segment: .slug("A")))
  }

  @Test("fields that the protos do not know are dropped")
  func unknownFields() throws {
    // Field 100 as a varint, as eight bytes, as a string, as four bytes; then field 1.
    let unknown: [UInt8] = [0xA0, 6, 1, 0xA1, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0xA2, 6, 2, 65, 66, 0xA5, 6, 0, 0, 0, 0]
    #expect(try GetUserSegmentsRequest(decoding: unknown + [8, 42]) == GetUserSegmentsRequest(userID: 42))
  }

  @Test("lists of numbers are read packed and unpacked")
  func packing() throws {
    let expected = BatchGetUserSegmentsRequest(userIDs: [3, 270])
    #expect(try expected.encoded() == [10, 3, 3, 0x8E, 2])
    #expect(try BatchGetUserSegmentsRequest(decoding: [8, 3, 8, 0x8E, 2]) == expected)
  }

  @Test("a message with a list of strings in field 1 has the benchmark's bytes")
  func benchmarkBytes() throws {
    #expect(try GetUserSegmentsRequest(userID: 150).encoded() == [8, 0x96, 1])
    #expect(try GetUserSegmentsResponse(segments: ["A", "BC"]).encoded() == [10, 1, 65, 10, 2, 66, 67])
  }
}

/// A message type as a test's argument, shown by its name.
struct AnyMessageType: Sendable, CustomTestStringConvertible {
  let type: any RandomMessage.Type

  init(_ type: any RandomMessage.Type) {
    self.type = type
  }

  var testDescription: String { type.fullName }
}
