import Testing

@testable import Client

@Suite struct LineSplitterTests {
  private func lines(_ text: String, pieces size: Int, limit: Int = 100) -> [String] {
    var splitter = LineSplitter(limit: limit)
    var result: [String] = []
    let take = { (line: LineSplitter.Line) in
      result.append(String(decoding: line.bytes, as: UTF8.self) + (line.isTooLong ? "…" : ""))
    }
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
      splitter.feed(Array(rest.prefix(size)), take)
      rest = rest.dropFirst(size)
    }
    splitter.finish(take)
    return result
  }

  @Test("lines are the same however the bytes are cut into pieces", arguments: 1...12)
  func pieces(_ size: Int) {
    #expect(lines("ab\ncd\r\n\n\r\nlast", pieces: size) == ["ab", "cd", "", "", "last"])
    #expect(lines("ab\ncd\n", pieces: size) == ["ab", "cd"])
    #expect(lines("", pieces: size) == [])
  }

  @Test("a line that is too long is cut off and told of, and the next one is whole", arguments: 1...12)
  func tooLong(_ size: Int) {
    #expect(
      lines("12345\n123456\r\n12345\r\n1234567\nok", pieces: size, limit: 5) == [
        "12345", "12345…", "12345", "12345…", "ok",
      ])
  }

  @Test("a file without a line feed is never kept as a whole")
  func bounded() {
    #expect(lines(String(repeating: "x", count: 100_000), pieces: 1000, limit: 8) == ["xxxxxxxx…"])
  }
}
