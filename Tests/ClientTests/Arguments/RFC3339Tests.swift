import Contract
import Proto
import Testing

@testable import Client

@Suite struct RFC3339Tests {
  @Test(
    "an instant is read in any of the forms of RFC 3339",
    arguments: [
      ("1970-01-01T00:00:00Z", 0, 0),
      ("2026-05-01T12:00:00Z", 1_777_636_800, 0),
      ("2026-05-01t14:00:00+02:00", 1_777_636_800, 0),
      ("2026-05-01 06:30:00-05:30", 1_777_636_800, 0),
      ("2026-05-01T12:00:00.5Z", 1_777_636_800, 500_000_000),
      ("2026-05-01T12:00:00.1234567899Z", 1_777_636_800, 123_456_789),
      ("1969-12-31T23:59:59.25Z", -1, 250_000_000),
      ("2024-02-29T00:00:00Z", 1_709_164_800, 0),
      ("0001-01-01T00:00:00Z", -62_135_596_800, 0),
      ("9999-12-31T23:59:59Z", 253_402_300_799, 0),
      ("2026-05-01", 1_777_593_600, 0),
    ] as [(String, Int64, Int32)])
  func reads(_ text: String, seconds: Int64, nanos: Int32) {
    #expect(RFC3339.parse(text) == ProtoTimestamp(seconds: seconds, nanos: nanos))
  }

  @Test(
    "what is not an instant is refused",
    arguments: [
      "", "now", "2026-05-01T12:00:00", "2026-05-01T12:00Z", "2026-05-01T24:00:00Z", "2026-13-01T00:00:00Z",
      "2026-02-29T00:00:00Z", "2026-05-01T12:00:60Z", "2026-05-01T12:00:00.Z", "2026-05-01T12:00:00Z ", "2026-5-1",
      "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-00:01", "2026-05-01T12:00:00+24:00", "0000-01-01",
    ])
  func refuses(_ text: String) {
    #expect(RFC3339.parse(text) == nil)
  }

  @Test("what is written is read again, over four centuries and a leap day each")
  func roundTrips() {
    for seconds in stride(from: Int64(-12_622_780_800), to: 12_622_780_800, by: 8_640_001) {
      let instant = ProtoTimestamp(seconds: seconds, nanos: 123_456_000)
      #expect(RFC3339.parse(StampFormatter.string(instant)) == instant)
    }
  }
}
