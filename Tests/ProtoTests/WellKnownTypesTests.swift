import Proto
import Testing

/// Timestamps, durations and Any.
@Suite("Well-known types")
struct WellKnownTypesTests {
  @Test(
    "a timestamp is an instant in microseconds",
    arguments: [
      (0, 0, 0), (1, 0, 1000), (-1, -1, 999_999_000), (1_700_000_000_123_456, 1_700_000_000, 123_456_000),
      (-62_135_596_800_000_000, -62_135_596_800, 0), (253_402_300_799_999_999, 253_402_300_799, 999_999_000),
    ] as [(Int64, Int64, Int32)])
  func timestamps(microseconds: Int64, seconds: Int64, nanos: Int32) throws {
    let timestamp = ProtoTimestamp(seconds: seconds, nanos: nanos)
    #expect(try ProtoTimestamp(microsecondsSinceEpoch: microseconds) == timestamp)
    #expect(try timestamp.microsecondsSinceEpoch() == microseconds)
  }

  @Test("what is finer than a microsecond is cut off towards the past")
  func timestampsAreCut() throws {
    #expect(try ProtoTimestamp(seconds: -1, nanos: 999_999_999).microsecondsSinceEpoch() == -1)
    #expect(try ProtoTimestamp(seconds: 1, nanos: 1999).microsecondsSinceEpoch() == 1_000_001)
  }

  @Test("a timestamp outside the years 1 to 9999 is refused")
  func timestampRange() {
    let invalid: [(Int64, Int32)] = [
      (253_402_300_800, 0), (-62_135_596_801, 0), (.max, 0), (.min, 0), (0, -1), (0, 1_000_000_000), (0, .min),
    ]
    for (seconds, nanos) in invalid {
      #expect(throws: ProtoError.outOfRange(message: "google.protobuf.Timestamp")) {
        try ProtoTimestamp(seconds: seconds, nanos: nanos).microsecondsSinceEpoch()
      }
    }
    for microseconds in [Int64.min, .max, 253_402_300_800_000_000, -62_135_596_800_000_001] {
      #expect(throws: ProtoError.outOfRange(message: "google.protobuf.Timestamp")) {
        try ProtoTimestamp(microsecondsSinceEpoch: microseconds)
      }
    }
  }

  @Test(
    "a duration is a span in microseconds",
    arguments: [
      (0, 0, 0), (1_500_000, 1, 500_000_000), (-1_500_000, -1, -500_000_000), (-1, 0, -1000),
      (315_576_000_000_000_000, 315_576_000_000, 0),
    ] as [(Int64, Int64, Int32)])
  func durations(microseconds: Int64, seconds: Int64, nanos: Int32) throws {
    let duration = ProtoDuration(seconds: seconds, nanos: nanos)
    #expect(try ProtoDuration(microseconds: microseconds) == duration)
    #expect(try duration.microseconds() == microseconds)
  }

  @Test("a duration beyond 10,000 years or of two signs is refused")
  func durationRange() {
    let invalid: [(Int64, Int32)] = [
      (315_576_000_001, 0), (-315_576_000_001, 0), (.max, 0), (.min, 0), (1, -1), (-1, 1), (0, 1_000_000_000),
    ]
    for (seconds, nanos) in invalid {
      #expect(throws: ProtoError.outOfRange(message: "google.protobuf.Duration")) {
        try ProtoDuration(seconds: seconds, nanos: nanos).microseconds()
      }
    }
    #expect(throws: ProtoError.outOfRange(message: "google.protobuf.Duration")) {
      try ProtoDuration(microseconds: .max)
    }
  }

  @Test("an Any holds a message under its name")
  func any() throws {
    let info = GoogleRPCErrorInfo(reason: "SEGMENT_NOT_FOUND", domain: "segmentd", metadata: ["slug": "X"])
    let packed = try ProtoAny(packing: info)
    #expect(packed.typeURL == "type.googleapis.com/google.rpc.ErrorInfo")
    #expect(try packed.unpacked() == info)
    #expect(throws: ProtoError.otherType(url: packed.typeURL)) { try packed.unpacked(as: GoogleRPCHelp.self) }
    let status = GoogleRPCStatus(code: GoogleRPCCode.notFound.rawValue, message: "no", details: [packed])
    #expect(try GoogleRPCStatus(decoding: status.encoded()).details.first?.unpacked() == info)
  }
}
