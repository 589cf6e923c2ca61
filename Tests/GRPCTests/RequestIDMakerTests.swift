import Testing

@testable import GRPC

@Suite("Request ids")
struct RequestIDMakerTests {
  @Test("an id is 16 hexadecimal digits, and the next one counts on")
  func digits() {
    var maker = RequestIDMaker()
    let ids = (0..<300).map { _ in RequestIDMaker.text(maker.next()) }
    #expect(Set(ids).count == ids.count)
    #expect(ids.allSatisfy { $0.count == 16 && $0.allSatisfy { "0123456789abcdef".contains($0) } })
    #expect(ids[0].hasSuffix("00000000"))
    #expect(ids[9].hasSuffix("00000009"))
    #expect(ids[10].hasSuffix("0000000a"))
    #expect(ids[255].hasSuffix("000000ff"))
    #expect(Set(ids.map { $0.prefix(8) }).count == 1)
  }

  @Test("two loops make different ids")
  func loops() {
    var one = RequestIDMaker()
    var other = RequestIDMaker()
    #expect(RequestIDMaker.text(one.next()) != RequestIDMaker.text(other.next()))
  }
}
