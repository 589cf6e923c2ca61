import Proto
import Testing

@Suite("Audit records written straight into bytes")
struct AuditBatchWriterTests {
  private static let texts = ["", "A", "BETA", String(repeating: "x", count: 128), "über \u{1F600}"]
  /// The ends of what a varint, a number or a stamp can be among them.
  private static let numbers: [Int64] = [0, 1, 127, 128, 16_383, 16_384, 1 << 40, .max, -1, .min]
  private static let stamps: [Int64] = [
    0, 1, 999_999, 1_700_000_000_123_456, -1, -1_000_000, -62_135_596_800_000_000, 253_402_300_799_999_999,
  ]

  private func records(_ count: Int) -> [AuditRecord] {
    var random = SystemRandomNumberGenerator()
    func pick<Value>(_ values: [Value]) -> Value { values[Int.random(in: 0..<values.count, using: &random)] }
    func stamp() -> ProtoTimestamp {
      (try? ProtoTimestamp(microsecondsSinceEpoch: pick(Self.stamps))) ?? ProtoTimestamp()
    }
    return (0..<count).map { _ in
      AuditRecord(
        sequence: pick(Self.numbers), userID: pick(Self.numbers), segmentID: pick(Self.numbers),
        segmentSlug: pick(Self.texts), action: AuditAction(rawValue: pick([0, 1, 2, 3, 200, -1])),
        cause: AuditCause(rawValue: pick([0, 1, 6])), actor: pick(Self.texts), requestID: pick(Self.texts),
        expiresAt: Bool.random() ? stamp() : nil, effectiveTime: stamp(), recordTime: stamp())
    }
  }

  private func write(_ records: [AuditRecord], into writer: inout AuditBatchWriter) throws {
    for var record in records {
      let expiresAt = try record.expiresAt?.microsecondsSinceEpoch()
      let effective = try record.effectiveTime?.microsecondsSinceEpoch() ?? 0
      let recorded = try record.recordTime?.microsecondsSinceEpoch() ?? 0
      record.segmentSlug.withUTF8 { slug in
        record.actor.withUTF8 { actor in
          record.requestID.withUTF8 { requestID in
            writer.append(
              AuditBatchWriter.Record(
                sequence: record.sequence, userID: record.userID, segmentID: record.segmentID,
                segmentSlug: UnsafeRawBufferPointer(slug), action: record.action.rawValue,
                cause: record.cause.rawValue, actor: UnsafeRawBufferPointer(actor),
                requestID: UnsafeRawBufferPointer(requestID), expiresAt: expiresAt, effectiveTime: effective,
                recordTime: recorded))
          }
        }
      }
    }
  }

  @Test("the bytes are those that protobuf-c makes of the same messages", arguments: [0, 1, 2, 300])
  func sameBytes(count: Int) throws {
    var writer = AuditBatchWriter()
    for round in 0..<20 {
      let records = records(count)
      try write(records, into: &writer)
      #expect(writer.count == count)
      let token = round.isMultiple(of: 2) ? "dG9rZW4" : ""
      var bytes: [UInt8] = []
      writer.append(to: &bytes, resumeToken: token)
      let message = StreamAuditResponse(event: .batch(AuditBatch(records: records, resumeToken: token)))
      #expect(bytes == (try message.encoded()))
      writer.removeAll()
      #expect(writer.isEmpty && writer.byteCount == 0)
    }
  }

  @Test("an instant that a Timestamp cannot hold becomes its default")
  func instantsBeyond() throws {
    var writer = AuditBatchWriter()
    let none = UnsafeRawBufferPointer(start: nil, count: 0)
    writer.append(
      AuditBatchWriter.Record(
        sequence: 1, userID: 1, segmentID: 1, segmentSlug: none, action: 1, cause: 1, actor: none, requestID: none,
        expiresAt: .max, effectiveTime: .min, recordTime: 253_402_300_800_000_000))
    var bytes: [UInt8] = []
    writer.append(to: &bytes, resumeToken: "")
    guard case .batch(let batch) = try StreamAuditResponse(decoding: bytes).event else {
      Issue.record("not a batch")
      return
    }
    let record = try #require(batch.records.first)
    #expect(record.expiresAt == ProtoTimestamp() && record.effectiveTime == ProtoTimestamp())
    #expect(record.recordTime == ProtoTimestamp())
  }
}
