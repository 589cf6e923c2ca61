import Testing

@testable import HTTP2

@Suite struct StreamHistoryTests {
  private var history = StreamHistory()

  @Test("a request with a body and trailers is as it should be")
  mutating func request() {
    #expect(history.headers(1, endsStream: false) == nil)
    #expect(history.data(1, endsStream: false) == nil)
    #expect(history.data(1, endsStream: false) == nil)
    #expect(history.headers(1, endsStream: true) == nil)
  }

  @Test("nothing follows the end of a request", arguments: ["headers", "data", "reset"])
  mutating func afterTheEnd(_ end: String) {
    #expect(history.headers(1, endsStream: end == "headers") == nil)
    if end == "data" { #expect(history.data(1, endsStream: true) == nil) }
    if end == "reset" { history.end(1) }
    #expect(history.data(1, endsStream: false) == .streamClosed)
    #expect(history.headers(1, endsStream: false) == .streamClosed)
    #expect(history.headers(3, endsStream: false) == nil)
    #expect(history.data(3, endsStream: false) == nil)
  }

  @Test("numbers that were left out are used up")
  mutating func leftOut() {
    #expect(history.headers(5, endsStream: true) == nil)
    #expect(history.headers(7, endsStream: false) == nil)
    #expect(history.headers(13, endsStream: true) == nil)
    #expect(history.headers(9, endsStream: true) == .protocolError)
    #expect(history.headers(11, endsStream: true) == .protocolError)
    // Trailers of what is open.
    #expect(history.headers(7, endsStream: true) == nil)
  }

  @Test("a connection may begin with any number, and those below are used up")
  mutating func first() {
    #expect(history.headers(9, endsStream: true) == nil)
    #expect(history.headers(3, endsStream: true) == .protocolError)
  }

  @Test("what shares a place with a later stream is forgotten, and ignored")
  mutating func forgotten() {
    for id: UInt32 in stride(from: 1, through: 33, by: 2) {
      #expect(history.headers(id, endsStream: true) == nil)
    }
    #expect(history.data(1, endsStream: false) == nil)
    #expect(history.data(3, endsStream: false) == .streamClosed)
    #expect(history.data(33, endsStream: false) == .streamClosed)
  }

  @Test("even numbers and the connection's own are left to nghttp2")
  mutating func even() {
    for id: UInt32 in [0, 2, 0x7fff_fffe] {
      #expect(history.headers(id, endsStream: true) == nil)
      #expect(history.data(id, endsStream: true) == nil)
    }
    #expect(history.headers(1, endsStream: true) == nil)
  }
}
