import Contract
import Proto
import Testing

@testable import Client

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

@Suite struct OutputTests {
  private func text(_ body: (inout [UInt8]) -> Void) -> String {
    var buffer: [UInt8] = []
    body(&buffer)
    return String(decoding: buffer, as: UTF8.self)
  }

  @Test("a table aligns its columns, numbers at the right, and ends no line with a space")
  func table() {
    var table = TablePrinter([.number("user_id"), "slug", "note"])
    let rows = [["7", "BETA", ""], ["12345678", "A", "x"]]
    #expect(
      text { table.append(rows, to: &$0) } == """
         USER ID  SLUG  NOTE
               7  BETA
        12345678  A     x

        """)
    #expect(text { table.append([["1", "LONGER", "y"]], to: &$0) } == "       1  LONGER  y\n")
  }

  @Test("a cell of a table cannot move the cursor")
  func control() {
    var table = TablePrinter(["a"])
    #expect(text { table.append([["x\u{1b}[2Jy\nz"]], to: &$0) } == "A\nx\\u{1b}[2Jy\\u{a}z\n")
  }

  @Test("CSV quotes what has commas, quotes or line ends, and nothing else")
  func csv() {
    #expect(
      text { CSVWriter.append(["a", "b c", "", "d,e", "f\"g", "h\ni"], to: &$0) }
        == "a,b c,,\"d,e\",\"f\"\"g\",\"h\ni\"\n")
  }

  @Test("JSON has sorted names in snake_case and leaves out what is not there")
  func json() throws {
    let record = MembershipRecord(Membership(userID: 7, segmentSlug: "A"), userID: 7)
    #expect(String(decoding: try JSONText.compact(record), as: UTF8.self) == #"{"segment_slug":"A","user_id":7}"#)
    let segment = SegmentRecord(Segment(id: 1, slug: "A/B", outreachPpm: 100_000))
    #expect(
      String(decoding: try JSONText.compact(segment), as: UTF8.self)
        == #"{"description":"","etag":"","id":1,"outreach":0.1,"outreach_ppm":100000,"slug":"A/B"}"#)
  }

  @Test("an audit record as a JSON line is what a JSON encoder makes of it")
  func auditJSON() throws {
    let record = AuditRecord(
      sequence: 5, userID: -7, segmentID: 3, segmentSlug: "A", action: .assign, cause: .userDeleted,
      actor: "q\"b\\s\n\u{1}ü/", requestID: "r", expiresAt: .init(seconds: 1, nanos: 0),
      effectiveTime: .init(seconds: 1_777_636_800, nanos: 123_456_789), recordTime: .init(seconds: 0, nanos: 0))
    struct Line: Codable, Equatable {
      let sequence, userId, segmentId: Int64
      let segmentSlug, action, cause: String
      let actor, requestId, expiresAt, effectiveTime, recordTime: String?
    }
    for (record, line) in [
      (
        record,
        Line(
          sequence: 5, userId: -7, segmentId: 3, segmentSlug: "A", action: "ASSIGN", cause: "USER_DELETED",
          actor: "q\"b\\s\n\u{1}ü/", requestId: "r", expiresAt: "1970-01-01T00:00:01.000000Z",
          effectiveTime: "2026-05-01T12:00:00.123456Z", recordTime: "1970-01-01T00:00:00.000000Z")
      ),
      (
        AuditRecord(),
        Line(
          sequence: 0, userId: 0, segmentId: 0, segmentSlug: "", action: "UNSPECIFIED", cause: "UNSPECIFIED",
          actor: nil, requestId: nil, expiresAt: nil, effectiveTime: nil, recordTime: nil)
      ),
    ] {
      var lines = AuditJSONLines()
      let text = text { lines.append(record, to: &$0) }
      #expect(text.hasSuffix("}\n"))
      let decoder = JSONDecoder()
      decoder.keyDecodingStrategy = .convertFromSnakeCase
      #expect(try decoder.decode(Line.self, from: Data(text.utf8)) == line)
      let encoder = JSONEncoder()
      encoder.keyEncodingStrategy = .convertToSnakeCase
      encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
      #expect(
        text.dropLast() == String(decoding: try encoder.encode(line), as: UTF8.self).replacing("\\n", with: "\\u000a"))
    }
  }

  @Test("progress says how far, how fast and how long, within the terminal")
  func progress() {
    let known = Progress("importing", of: 1000, isShown: false)
    let line = known.text(500, count: 31_000, "lines", after: .milliseconds(1240), width: 100)
    #expect(line == "importing   50%  [====================>                   ]  31,000 lines  25,000/s  1.2 s")
    for width in [20, 40, 60, 80] {
      #expect(known.text(500, count: 31_000, "lines", after: .seconds(1), width: width).count < width)
    }
    let unknown = Progress("importing", of: nil, isShown: false)
    #expect(unknown.text(500, count: 7, "lines", after: .seconds(1), width: 80) == "importing  7 lines  7/s  1.0 s")
    // A number is there whole or not at all.
    let texts = [40, 30, 20, 10].map {
      unknown.text(0, count: 1_234_567, "records", after: .seconds(100), width: $0)
    }
    #expect(
      texts == ["importing  1,234,567 records  12,345/s", "importing  1,234,567 records", "1,234,567 records", ""])
    let resumed = Progress("streaming", of: nil, begun: 1_000_000, isShown: false)
    #expect(
      resumed.text(0, count: 1_000_500, "records", after: .seconds(1), width: 80)
        == "streaming  1,000,500 records  500/s  1.0 s")
  }

  @Test(
    "large numbers have commas",
    arguments: [(0, "0"), (999, "999"), (1000, "1,000"), (-1_234_567, "-1,234,567")] as [(Int64, String)])
  func grouped(_ number: Int64, text: String) {
    #expect(Text.grouped(number) == text)
  }
}
