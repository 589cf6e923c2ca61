import Proto
import Testing

@Suite("Records of a stream that are only looked at")
struct AuditRecordViewTests {
  private struct Seen: Equatable {
    var userID: Int64
    var slug: String
    var action: AuditAction
    var time: ProtoTimestamp?
  }

  private func look(_ bytes: [UInt8]) throws -> (seen: [Seen], count: Int, response: StreamAuditResponse) {
    var seen: [Seen] = []
    let (count, response) = try bytes.withUnsafeBytes { bytes in
      try StreamAuditResponse.decode(bytes) { view in
        seen.append(
          Seen(
            userID: view.userID, slug: String(decoding: view.segmentSlug, as: UTF8.self), action: view.action,
            time: view.effectiveTime))
      }
    }
    return (seen, count, response)
  }

  private static let records: [AuditRecord] = [
    AuditRecord(),
    AuditRecord(
      sequence: .max, userID: -1, segmentID: 7, segmentSlug: String(repeating: "x", count: 200), action: .renew,
      cause: .expiry, actor: "über", requestID: "r", expiresAt: ProtoTimestamp(seconds: 1, nanos: 2),
      effectiveTime: ProtoTimestamp(seconds: -62_135_596_800, nanos: 999_999_999), recordTime: ProtoTimestamp()),
    AuditRecord(
      userID: 300, segmentSlug: "BETA", action: AuditAction(rawValue: -5), effectiveTime: ProtoTimestamp(seconds: 5)),
  ]

  private static func message(_ token: String = "dG9rZW4") -> StreamAuditResponse {
    StreamAuditResponse(event: .batch(AuditBatch(records: records, resumeToken: token)))
  }

  @Test("have what protobuf-c unpacks, however the message is written")
  func same() throws {
    let bytes = try Self.message().encoded()
    let expected = Self.records.map {
      Seen(userID: $0.userID, slug: $0.segmentSlug, action: $0.action, time: $0.effectiveTime)
    }
    // Fields that nobody knows yet, of each wire type, behind the message: the way of a later version of the contract.
    let unknown: [UInt8] = [
      0xf8, 0x07, 0x96, 0x01, 0xf9, 0x07, 1, 2, 3, 4, 5, 6, 7, 8, 0xfa, 0x07, 1, 9, 0xfd, 0x07, 1, 2, 3, 4,
    ]
    for bytes in [bytes, bytes + unknown, bytes + bytes] {
      let found = try look(bytes)
      let whole = try StreamAuditResponse(decoding: bytes)
      guard case .batch(let batch) = whole.event else {
        Issue.record("not a batch")
        return
      }
      #expect(
        found.seen
          == batch.records.map {
            Seen(userID: $0.userID, slug: $0.segmentSlug, action: $0.action, time: $0.effectiveTime)
          })
      #expect(Array(found.seen.suffix(3)) == expected && found.count == found.seen.count)
      #expect(found.response == StreamAuditResponse(event: .batch(AuditBatch(resumeToken: batch.resumeToken))))
    }
  }

  @Test("are none where there is no batch")
  func others() throws {
    let end = StreamAuditResponse(event: .end(AuditEnd(count: 3, digest: [1, 2], resumeToken: "t")))
    for message in [StreamAuditResponse(), end, StreamAuditResponse(event: .batch(AuditBatch()))] {
      let found = try look(try message.encoded())
      #expect(found.seen.isEmpty && found.count == 0 && found.response == message)
    }
  }

  @Test("unknown fields are passed over in a batch, a record and a time")
  func unknownInside() throws {
    let more: [UInt8] = [0xfa, 0x07, 2, 0xff, 0xfe]
    let time: [UInt8] = [0x08, 5] + more
    let record: [UInt8] = [0x10, 42, 0x52, UInt8(time.count)] + time + more
    let batch: [UInt8] = [0x0a, UInt8(record.count)] + record + more
    let found = try look([0x0a, UInt8(batch.count)] + batch)
    #expect(found.seen == [Seen(userID: 42, slug: "", action: .unspecified, time: ProtoTimestamp(seconds: 5))])
  }

  @Test("a message that is cut short or spoilt is refused, or read as protobuf-c reads it")
  func hostile() throws {
    let bytes = try Self.message().encoded()
    for count in 1..<bytes.count { #expect(throws: ProtoError.self) { try look(Array(bytes[..<count])) } }
    // Never beyond the end, whatever a byte is: the address sanitizer looks on.
    for index in bytes.indices {
      for value in [0, 1, 0x7f, 0x80, 0xff, bytes[index] ^ 0x10] as [UInt8] {
        var spoilt = bytes
        spoilt[index] = value
        guard let found = try? look(spoilt), let whole = try? StreamAuditResponse(decoding: spoilt),
          case .batch(let batch) = whole.event
        else { continue }
        #expect(found.count == batch.records.count && found.seen.map(\.userID) == batch.records.map(\.userID))
      }
    }
    for token in [[0xff], [0x00]] as [[UInt8]] {
      #expect(throws: ProtoError.self) { try look([0x0a, 3, 0x12, 1] + token) }
    }
  }
}
