import Proto
import Testing

@testable import Client

@Suite struct MembershipLinesTests {
  private func format(_ header: String) throws -> MembershipLines {
    try Array(header.utf8).withUnsafeBytes { try MembershipLines(header: $0) }
  }

  private func row(_ line: String, _ header: String = "user_id,segment_slug,expires_at") throws -> ImportRow {
    let format = try format(header)
    return try Array(line.utf8).withUnsafeBytes { try format.row($0) }
  }

  @Test("the columns are found by the header, in any order, in quotes and behind a byte order mark")
  func columns() throws {
    let row = ImportRow(userID: 7, segment: "A")
    #expect(try self.row("7,A", "user_id,segment_slug") == row)
    #expect(try self.row("A,7", "segment_slug,user_id") == row)
    #expect(try self.row("\"7\",\"A\"", "\"user_id\",\"segment_slug\"") == row)
    #expect(try self.row("7,A", "\u{feff}user_id,segment_slug") == row)
  }

  @Test(
    "a first line that is not the header ends the import",
    arguments: ["1,A", "user_id", "user_id,slug", "user_id,segment_slug,x", "user_id,user_id,segment_slug", ""])
  func noHeader(_ line: String) {
    let failure = #expect(throws: Failure.self) { try format(line) }
    #expect(failure?.status == .badInput)
  }

  @Test("an expiry may be left empty, and a slug too")
  func optional() throws {
    #expect(try row("7,A,") == ImportRow(userID: 7, segment: "A"))
    #expect(try row("7,,") == ImportRow(userID: 7))
    #expect(
      try row("7,A,2026-05-01T12:00:00.25Z")
        == ImportRow(userID: 7, segment: "A", expiresAt: .init(seconds: 1_777_636_800, nanos: 250_000_000)))
  }

  @Test("numbers go to the last of their 64 bits, and what the server must judge is let through")
  func numbers() throws {
    #expect(try row("9223372036854775807,A,").userID == .max)
    #expect(try row("-9223372036854775808,A,").userID == .min)
    #expect(try row("0,A,").userID == 0)
    #expect(try row("1,not a slug!,").segment == "not a slug!")
  }

  @Test(
    "a malformed line says what is wrong with it",
    arguments: [
      ("", "the user id is not a number of 64 bits"), ("7", "there are not 3 columns"),
      ("7,A", "there are not 3 columns"), ("7,A,,", "there are not 3 columns"),
      ("x,A,", "the user id is not a number of 64 bits"),
      ("9223372036854775808,A,", "the user id is not a number of 64 bits"),
      ("-9223372036854775809,A,", "the user id is not a number of 64 bits"),
      ("-,A,", "the user id is not a number of 64 bits"), (" 7,A,", "the user id is not a number of 64 bits"),
      ("7,A,tomorrow", "the expiry is not an RFC 3339 instant"), ("7,\"A,", "a quote is not closed"),
      ("7,\"A\"\"B\",", "a field goes on behind its quotes"), ("7,\u{0},", "the slug is not UTF-8"),
    ])
  func malformed(_ line: String, reason: String) {
    let error = #expect(throws: MembershipLines.Malformed.self) { try row(line) }
    #expect(error?.reason == reason)
  }

  @Test("bytes that are not UTF-8 are malformed")
  func notUTF8() throws {
    let format = try format("user_id,segment_slug")
    let line: [UInt8] = Array("7,".utf8) + [0xff]
    #expect(throws: MembershipLines.Malformed(reason: "the slug is not UTF-8")) {
      try line.withUnsafeBytes { try format.row($0) }
    }
  }
}
