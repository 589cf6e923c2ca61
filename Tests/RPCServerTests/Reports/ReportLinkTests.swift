import Testing

@testable import RPCServer

@Suite("Links of reports")
struct ReportLinkTests {
  private let key = Array("a key of the database".utf8)
  private let name = String(repeating: "0123456789abcdef", count: 2) + ".csv"

  private func verify(_ url: String, now: Int64 = 1000, key: [UInt8]? = nil) throws -> ReportLink.Verdict {
    let parts = url.split(separator: "?", maxSplits: 1).map(String.init)
    return try ReportLink.verify(
      path: parts[0], query: parts.count > 1 ? parts[1] : "", key: key ?? self.key, now: now)
  }

  @Test("a link is good until it expires, and then it is told apart from a forged one")
  func untilItExpires() throws {
    let url = try ReportLink.url(base: "", fileName: name, expiry: 2000, key: key)
    #expect(try verify(url, now: 1999) == .good(fileName: name))
    #expect(try verify(url, now: 2000) == .expired)
    #expect(try verify(url, key: Array("another".utf8)) == .forged)
  }

  @Test("no character of a link can be changed")
  func everyCharacterCounts() throws {
    let url = try ReportLink.url(base: "", fileName: name, expiry: 2000, key: key)
    #expect(try verify(url) == .good(fileName: name))
    for index in url.indices {
      var changed = url
      changed.replaceSubrange(index...index, with: url[index] == "1" ? "2" : "1")
      #expect(try verify(changed) == .forged, "\(changed)")
    }
  }

  @Test(
    "what is not the name of a report is no link, even when it is signed",
    arguments: ["holder", "../x.csv", ".csv", "0123456789abcdef.csv", String(repeating: "A", count: 32) + ".csv"])
  func namesAreChecked(_ name: String) throws {
    #expect(try verify(try ReportLink.url(base: "", fileName: name, expiry: 2000, key: key)) == .forged)
  }
}
