import Testing

@testable import Segmentation

@Suite struct `Tokens` {
  @Test func `base 64 of any bytes comes back`() {
    for count in 0..<50 {
      let bytes = (0..<count).map { _ in UInt8.random(in: 0...255) }
      #expect(Base64URL.decode(Base64URL.encode(bytes)) == bytes)
    }
  }

  @Test(arguments: ["A", "AAAAA", "AB", "A+", "=", "Ä", "AAB"])
  func `what base 64 never makes is refused`(_ text: String) {
    #expect(Base64URL.decode(text) == nil)
  }

  private let here = DatabaseIdentity(instance: "0123456789abcdef0123456789abcdef", era: 2)
  private let position = AuditPosition(era: 1, xid: 1 << 40, sequence: 77)

  @Test func `an audit token comes back`() throws {
    let token = try AuditToken(AuditToken(here, position).text)
    #expect(token == AuditToken(here, position))
    #expect(try token.position(in: here) == position)
  }

  @Test func `a token of another database or era is refused`() {
    for there in [
      DatabaseIdentity(instance: "f123456789abcdef0123456789abcdef", era: 2),
      DatabaseIdentity(instance: here.instance, era: 3),
    ] {
      #expect(throws: SegmentationError.self) { try AuditToken(here, position).position(in: there) }
    }
  }

  @Test(arguments: ["", "x", "AQ", String(repeating: "A", count: 55)])
  func `what is no token is refused`(_ text: String) {
    #expect(throws: SegmentationError.invalid(field: "start_token", reason: "is not an audit token")) {
      try AuditToken(text, field: "start_token")
    }
  }

  @Test func `a page token belongs to its list`() throws {
    let token = SegmentPageToken(lastSlug: "B", prefix: "").text
    #expect(try SegmentPageToken(token, prefix: "").lastSlug == "B")
    #expect(throws: SegmentationError.self) { try SegmentPageToken(token, prefix: "B") }
    #expect(throws: SegmentationError.self) { try SegmentPageToken("rubbish", prefix: "") }
  }

  @Test func `positions are ordered by era, transaction and sequence`() {
    let ordered = [
      AuditPosition.beginning, AuditPosition(era: 1, xid: 5, sequence: 9), AuditPosition(era: 1, xid: 6, sequence: 1),
      AuditPosition(era: 2, xid: 1, sequence: 10),
    ]
    #expect(ordered.shuffled().sorted() == ordered)
  }
}
