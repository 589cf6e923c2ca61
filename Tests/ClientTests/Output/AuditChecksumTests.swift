import Contract
import Proto
import Testing

@testable import Client

@Suite struct AuditChecksumTests {
  private static let digest = String(repeating: "0a", count: 32)

  @Test("a checksum is read as it was written")
  func roundTrip() {
    let checksum = AuditChecksum(count: 3, length: 162, digest: Self.digest)
    #expect(AuditChecksum(checksum.text(of: "a b.csv")) == checksum)
  }

  @Test("what sha256sum writes is a checksum without a count")
  func foreign() {
    let checksum = AuditChecksum("\(Self.digest.uppercased())  file\n")
    #expect(checksum == AuditChecksum(count: nil, length: nil, digest: Self.digest))
  }

  @Test("anything else is none", arguments: ["", "# records 3\n", "abc  file\n", "\(digest)  a\n\(digest)  b\n"])
  func malformed(text: String) {
    #expect(AuditChecksum(text) == nil)
  }
}

@Suite struct AuditFileReaderTests {
  private static let records = (1...50).map { index in
    AuditRecord(
      sequence: Int64(index), userID: Int64(index) * 7, segmentID: 3, segmentSlug: "A.b_\(index)",
      action: index.isMultiple(of: 2) ? .assign : .renew, cause: .request, actor: "\"}{,\\ ü\n", requestID: "r",
      expiresAt: nil, effectiveTime: ProtoTimestamp(seconds: 1_700_000_000, nanos: 1000 * Int32(index)),
      recordTime: ProtoTimestamp(seconds: 1_700_000_001, nanos: 0))
  }

  private static var csv: [UInt8] {
    var line = AuditLine()
    var bytes = Array(AuditLine.header.utf8)
    for record in records { line.append(record, to: &bytes) }
    return bytes
  }

  private static var jsonl: [UInt8] {
    var lines = AuditJSONLines()
    var bytes: [UInt8] = []
    for record in records { lines.append(record, to: &bytes) }
    return bytes
  }

  private func read(_ bytes: [UInt8], by size: Int, limit: Int64 = .max) throws -> AuditFileReader.Summary {
    var reader = try AuditFileReader(limit: limit)
    for start in stride(from: 0, to: bytes.count, by: size) {
      try reader.feed(Array(bytes[start..<min(start + size, bytes.count)]))
    }
    return try reader.finish()
  }

  @Test(
    "both formats of the same records have the same count and digest, in whatever pieces", arguments: [1, 7, 100_000])
  func formats(size: Int) throws {
    let csv = try read(Self.csv, by: size)
    let jsonl = try read(Self.jsonl, by: size)
    #expect(csv.count == 50 && jsonl.count == 50)
    #expect(csv.recordsDigest == jsonl.recordsDigest && csv.digest != jsonl.digest)
    #expect(csv.format == .csv && jsonl.format == .jsonl)
  }

  @Test("what lies behind the limit is left out")
  func limit() throws {
    let whole = Self.csv
    let found = try read(whole + Array("half a li".utf8), by: 64, limit: Int64(whole.count))
    #expect(found.count == 50 && found.length == Int64(whole.count))
  }

  @Test("no records at all are a file of JSON lines, or a header")
  func empty() throws {
    #expect(try read([], by: 1).count == 0)
    #expect(try read(Array(AuditLine.header.utf8), by: 1).count == 0)
  }

  @Test(
    "what is no export is refused",
    arguments: [
      "x", "user_id,segment_slug\n1,A\n", "{\"user_id\":1}\n", "{}\n", "{\"a\"", "user_id,segment_slug,action,stamp\n1",
    ])
  func refused(text: String) throws {
    #expect(throws: Failure.self) { try read(Array(text.utf8), by: 3) }
  }
}
