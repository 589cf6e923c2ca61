import Testing

@testable import Client

@Suite struct SpanTests {
  @Test(
    "a duration is whole numbers with a unit each",
    arguments: [
      ("500ms", 500_000), ("90s", 90_000_000), ("30m", 1_800_000_000), ("12h", 43_200_000_000), ("7d", 604_800_000_000),
      ("1w", 604_800_000_000), ("1d12h", 129_600_000_000), ("1m1ms", 60_001_000),
    ] as [(String, Int64)])
  func reads(_ text: String, microseconds: Int64) throws {
    #expect(try Span.microseconds(text) == microseconds)
  }

  @Test(
    "anything else is not a duration",
    arguments: [
      "", "5", "m", "0s", "-1s", "1.5h", "1 h", "1y", "99999999999999999999s", "9223372036854775807d",
      "9000000000000s9000000000000s",
    ])
  func refuses(_ text: String) {
    #expect(throws: Span.Malformed.self) { try Span.microseconds(text) }
  }
}
