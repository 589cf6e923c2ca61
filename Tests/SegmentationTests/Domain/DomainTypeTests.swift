import Postgres
import Testing

@testable import Segmentation

@Suite struct `Domain types` {
  @Test(arguments: ["A", "9", "AVITO_VOICE_MESSAGES", "a.b-c_d", String(repeating: "x", count: 128)])
  func `a slug of allowed characters is a slug`(_ text: String) throws {
    #expect(try Slug(text).text == text)
  }

  @Test(arguments: ["", "_A", "-A", ".A", "A B", "Ä", "A\n", "A/B", "A\0", String(repeating: "x", count: 129)])
  func `anything else is no slug`(_ text: String) {
    #expect(throws: SegmentationError.self) { try Slug(text) }
  }

  @Test func `outreach is kept in parts per million`() throws {
    #expect(try Outreach(0).partsPerMillion == 0)
    #expect(try Outreach(1).partsPerMillion == 1_000_000)
    #expect(try Outreach(0.42).partsPerMillion == 420_000)
    #expect(try Outreach(0.000_000_4).partsPerMillion == 0)
    #expect(try Outreach(-0.0).partsPerMillion == 0)
  }

  @Test(arguments: [Double.nan, .infinity, -.infinity, -0.000_001, 1.000_001, 1.5])
  func `an outreach that is no fraction is refused`(_ fraction: Double) {
    #expect(throws: SegmentationError.invalid(field: "outreach", reason: "must be a number from 0 to 1")) {
      try Outreach(fraction)
    }
  }

  @Test(arguments: [0, -1, Int64.min])
  func `a user is positive`(_ number: Int64) {
    #expect(throws: SegmentationError.invalid(field: "user_id", reason: "must be positive")) { try UserID(number) }
  }

  @Test func `a page has 100 entries unless told and never more than 1000`() throws {
    #expect(try PageSize(0).count == 100)
    #expect(try PageSize(7).count == 7)
    #expect(try PageSize(5000).count == 1000)
    #expect(throws: SegmentationError.self) { try PageSize(-1) }
  }

  @Test func `an expiry must lie ahead and within the calendar of the contract`() throws {
    let clock = Timestamp(microseconds: 1_000_000)
    func instant(_ expiry: Expiry) throws -> Timestamp? { try expiry.instant(at: clock, field: "assign[0]") }
    #expect(try instant(.never) == nil)
    #expect(try instant(.at(Timestamp(microseconds: 1_000_001)))?.microseconds == 1_000_001)
    #expect(try instant(.after(microseconds: 5))?.microseconds == 1_000_005)
    for bad in [
      Expiry.at(clock), .at(.distantPast), .at(.distantFuture), .after(microseconds: 0), .after(microseconds: -1),
      .after(microseconds: .max), .after(microseconds: 253_402_300_800_000_000),
    ] {
      #expect(throws: SegmentationError.self, "\(bad)") { try instant(bad) }
    }
  }

  @Test func `a request id has 1 to 128 characters`() throws {
    #expect(try RequestID(String(repeating: "ü", count: 128)).text.count == 128)
    for bad in ["", String(repeating: "u", count: 129), "a\0b"] {
      #expect(throws: SegmentationError.self) { try RequestID(bad) }
    }
  }

  @Test func `an actor is logged without what the database refuses`() {
    #expect(Caller(actor: "a\0b").loggedActor == "ab")
    #expect(Caller(actor: String(repeating: "x", count: 1000)).loggedActor.count == 256)
  }
}
