import Testing

@testable import HTTP2

@Suite struct HeaderBlockTests {
  private func pairs(_ block: HeaderBlock) -> [[String]] {
    var list: [[String]] = []
    block.forEach { list.append([String(decoding: $0, as: UTF8.self), String(decoding: $1, as: UTF8.self)]) }
    return list
  }

  @Test("fields come out as they went in, in order, empty values too")
  func order() {
    var block: HeaderBlock = ["b": "2", "a": ""]
    block.append("b", "3")
    Array("raw".utf8).withUnsafeBytes { block.append(name: $0, value: .init(rebasing: $0[1...])) }
    #expect(block.count == 4)
    #expect(pairs(block) == [["b", "2"], ["a", ""], ["b", "3"], ["raw", "aw"]])
  }

  @Test("an empty block lends an empty list")
  func empty() {
    #expect(HeaderBlock().withNameValues { $1 } == 0)
    #expect(pairs(HeaderBlock()).isEmpty)
  }

  @Test("nghttp2's list holds the lengths of names and values")
  func nameValues() {
    let block: HeaderBlock = ["name": "value", "x": ""]
    let lengths = block.withNameValues { list, count in
      (0..<count).map { [list?[$0].namelen, list?[$0].valuelen] }
    }
    #expect(lengths == [[4, 5], [1, 0]])
  }

  @Test("prepared headers hold every field")
  func prepared() {
    let prepared = PreparedHeaders([":status": "200", "x": ""])
    #expect(prepared.fields.map(\.namelen) == [7, 1])
    #expect(prepared.fields.map(\.valuelen) == [3, 0])
  }

  @Test("errors are named as nghttp2 names them")
  func errors() {
    #expect(HTTP2ErrorCode.cancel.description == "CANCEL")
    #expect(HTTP2Error.connectionClosed.description.hasPrefix("HTTP/2: "))
    #expect(throws: HTTP2Error.connectionClosed) { try check(HTTP2Error.connectionClosed.code) }
    #expect(throws: Never.self) { try check(5) }
  }
}
