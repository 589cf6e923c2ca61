import EventLoop
import Testing

@testable import HTTP2

@Suite struct SessionTests {
  private static let ok: HeaderBlock = [":status": "200"]

  @Test("headers, data and trailers arrive in order, whatever the bytes are cut into", arguments: [1, 7, 100, Int.max])
  func roundTrip(_ chunk: Int) throws {
    let pair = try SessionPair { $0.stream?.respond(Self.ok) }
    let answer = Recorder()
    let stream = try pair.client.request(SessionPair.request, endStream: false, delegate: answer)
    stream.write { $0 += [1, 2, 3] }
    stream.finish()
    try pair.exchange(chunk: chunk)
    let request = pair.received[0]
    #expect(request.headers[0][":path"] == "/x")
    #expect(request.body == [1, 2, 3])
    #expect(request.hasEnded)
    request.stream?.write { $0 += [4, 5] }
    request.stream?.finish(trailers: ["grpc-status": "0"])
    try pair.exchange(chunk: chunk)
    #expect(answer.headers[0] == [":status": "200"])
    #expect(answer.headers[1] == ["grpc-status": "0"])
    #expect(answer.body == [4, 5])
    #expect(answer.closed == [.noError])
    #expect(request.closed == [.noError])
    #expect(pair.client.streamCount == 0 && pair.server.streamCount == 0)
  }

  @Test("data that is queued while none was wanted is sent: a deferred stream is resumed")
  func resumes() throws {
    let pair = try SessionPair { $0.stream?.respond(Self.ok) }
    let answer = Recorder()
    _ = try pair.client.request(SessionPair.request, endStream: true, delegate: answer)
    try pair.exchange()
    for number in 0..<100 as Range<UInt8> {
      pair.received[0].stream?.write { $0.append(number) }
      try pair.exchange()
      #expect(answer.body.count == Int(number) + 1)
    }
    pair.received[0].stream?.finish()
    try pair.exchange()
    #expect(answer.body == Array(0..<100))
    #expect(answer.closed == [.noError])
  }

  @Test("a sender keeps to the stream's window, and goes on when credit is given back")
  func streamWindow() throws {
    var configuration = HTTP2Configuration()
    configuration.streamWindow = 1000
    let pair = try SessionPair(server: configuration) { $0.consumes = false }
    try pair.exchange()
    let stream = try pair.client.request(SessionPair.request, endStream: false, delegate: Recorder())
    stream.write { $0 += [UInt8](repeating: 1, count: 5000) }
    try pair.exchange()
    #expect(pair.received[0].body.count == 1000)
    #expect(stream.queuedBytes == 4000)
    pair.received[0].stream?.consume(1000)
    try pair.exchange()
    #expect(pair.received[0].body.count == 2000)
  }

  @Test("a stream whose reader is slow does not hold back its neighbours")
  func noHeadOfLineBlocking() throws {
    let pair = try SessionPair { $0.consumes = $0.headers[0][":path"] == "/x" }
    var slow = SessionPair.request
    slow = [":method": "POST", ":scheme": "http", ":path": "/slow", ":authority": "test"]
    for _ in 0..<8 {
      let stream = try pair.client.request(slow, endStream: false, delegate: Recorder())
      stream.write { $0 += [UInt8](repeating: 1, count: 1 << 20) }
    }
    try pair.exchange()
    let quick = try pair.client.request(SessionPair.request, endStream: false, delegate: Recorder())
    quick.write { $0 += [UInt8](repeating: 2, count: 3 << 20) }
    quick.finish()
    try pair.exchange()
    #expect(pair.received[8].body.count == 3 << 20)
    #expect(pair.received[8].hasEnded)
    #expect(pair.received[0].body.count == Int(HTTP2Configuration().streamWindow))
  }

  @Test("a megabyte queue is sent whole and in order")
  func longQueue() throws {
    let pair = try SessionPair()
    let bytes = (0..<5 << 20).map { UInt8(truncatingIfNeeded: $0 &* 7 >> 2) }
    let stream = try pair.client.request(SessionPair.request, endStream: false, delegate: Recorder())
    stream.write { $0 += bytes }
    stream.finish()
    try pair.exchange()
    #expect(pair.received[0].body == bytes)
  }

  @Test("what is written to a closed or finished stream has no effect")
  func afterTheEnd() throws {
    let pair = try SessionPair { $0.stream?.respondAndEnd(Self.ok) }
    let answer = Recorder()
    let stream = try pair.client.request(SessionPair.request, endStream: false, delegate: answer)
    stream.finish()
    stream.write { $0.append(1) }
    #expect(stream.queuedBytes == 0)
    try pair.exchange()
    #expect(answer.closed == [.noError])
    #expect(stream.isClosed)
    stream.write { $0.append(1) }
    stream.finish()
    stream.reset(.cancel)
    stream.consume(5)
    try pair.exchange()
    #expect(answer.closed == [.noError])
  }

  @Test("a reset reaches the other side with its code, once")
  func reset() throws {
    let pair = try SessionPair()
    let answer = Recorder()
    let stream = try pair.client.request(SessionPair.request, endStream: false, delegate: answer)
    try pair.exchange()
    stream.reset(.cancel)
    stream.reset(.internalError)
    try pair.exchange()
    #expect(pair.received[0].closed == [.cancel])
    #expect(answer.closed == [.cancel])
  }

  @Test("a stream that is reset before its headers are sent never reaches the server")
  func resetBeforeSending() throws {
    let pair = try SessionPair()
    try pair.exchange()
    let answer = Recorder()
    try pair.client.request(SessionPair.request, endStream: false, delegate: answer).reset(.cancel)
    try pair.exchange()
    #expect(answer.closed == [.cancel])
    #expect(pair.received.isEmpty)
  }

  @Test("streams end once when the connection is lost")
  func connectionLost() throws {
    let pair = try SessionPair()
    let answers = try (0..<3).map { _ in
      let answer = Recorder()
      _ = try pair.client.request(SessionPair.request, endStream: false, delegate: answer)
      return answer
    }
    try pair.exchange()
    pair.client.connectionLost()
    pair.client.connectionLost()
    for answer in answers {
      #expect(answer.closed == [.cancel])
      #expect(answer.isConnectionLost)
    }
  }

  @Test("after GOAWAY there are no more streams, and those that go on finish")
  func goAway() throws {
    let pair = try SessionPair { $0.stream?.respond(Self.ok) }
    let answer = Recorder()
    let stream = try pair.client.request(SessionPair.request, endStream: false, delegate: answer)
    try pair.exchange()
    pair.server.announceShutdown()
    try pair.exchange()
    #expect(pair.client.receivedGoAway)
    #expect(throws: HTTP2Error.noMoreStreams) {
      try pair.client.request(SessionPair.request, endStream: true, delegate: Recorder())
    }
    #expect(!pair.server.isFinished)
    stream.finish()
    try pair.exchange()
    pair.received[0].stream?.finish()
    try pair.exchange()
    #expect(answer.closed == [.noError])
    #expect(pair.server.isFinished && pair.client.isFinished)
  }

  @Test("streams over the peer's limit wait, and start as others end")
  func concurrencyLimit() throws {
    var configuration = HTTP2Configuration()
    configuration.maxConcurrentStreams = 2
    let pair = try SessionPair(server: configuration) { $0.stream?.respond(Self.ok) }
    try pair.exchange()
    for _ in 0..<5 { _ = try pair.client.request(SessionPair.request, endStream: true, delegate: Recorder()) }
    try pair.exchange()
    #expect(pair.received.count == 2)
    pair.received[0].stream?.finish()
    try pair.exchange()
    #expect(pair.received.count == 3)
  }

  @Test("a header list over the limit is counted, marked and not delivered further; the session goes on")
  func headerListLimit() throws {
    var configuration = HTTP2Configuration()
    configuration.maxHeaderListSize = 500
    let pair = try SessionPair(server: configuration) { $0.stream?.respondAndEnd(Self.ok) }
    var large = SessionPair.request
    for number in 0..<20 { large.append("x-\(number)", String(repeating: "v", count: 50)) }
    _ = try pair.client.request(large, endStream: true, delegate: Recorder())
    try pair.exchange()
    #expect(pair.received[0].headers[0].count < 12)
    _ = try pair.client.request(SessionPair.request, endStream: true, delegate: Recorder())
    try pair.exchange()
    #expect(pair.received[1].headers[0].count == 4)
  }

  @Test("response headers too large to be sent reset the stream instead of leaving the peer waiting")
  func unsendableHeaders() throws {
    let huge: HeaderBlock = [":status": "200", "x": String(repeating: "v", count: 100_000)]
    let pair = try SessionPair { $0.stream?.respondAndEnd(huge) }
    let answer = Recorder()
    _ = try pair.client.request(SessionPair.request, endStream: true, delegate: answer)
    try pair.exchange()
    #expect(answer.closed == [.internalError])
    #expect(pair.server.streamCount == 0)
  }

  @Test("trailers too large to be sent reset the stream too")
  func unsendableTrailers() throws {
    let pair = try SessionPair { $0.stream?.respond(Self.ok) }
    let answer = Recorder()
    _ = try pair.client.request(SessionPair.request, endStream: true, delegate: answer)
    try pair.exchange()
    pair.received[0].stream?.write { $0.append(1) }
    pair.received[0].stream?.finish(trailers: ["x": String(repeating: "v", count: 100_000)])
    try pair.exchange()
    #expect(answer.closed == [.internalError])
  }

  @Test("request headers too large to be sent end the stream on the client")
  func unsendableRequest() throws {
    let pair = try SessionPair()
    var huge = SessionPair.request
    huge.append("x", String(repeating: "v", count: 100_000))
    let answer = Recorder()
    _ = try pair.client.request(huge, endStream: true, delegate: answer)
    try pair.exchange()
    #expect(answer.closed.count == 1)
    #expect(pair.client.streamCount == 0)
  }

  @Test("sessions, streams and delegates are freed when the last of them goes")
  func freed() throws {
    weak var session: Session?
    weak var stream: HTTP2Stream?
    weak var recorder: Recorder?
    do {
      let pair = try SessionPair { $0.stream?.respondAndEnd(Self.ok) }
      let answer = Recorder()
      stream = try pair.client.request(SessionPair.request, endStream: true, delegate: answer)
      session = pair.client
      recorder = answer
      #expect(stream != nil)
      try pair.exchange()
      #expect(stream == nil)
      _ = try pair.client.request(SessionPair.request, endStream: true, delegate: Recorder())
      pair.client.connectionLost()
      pair.server.connectionLost()
    }
    #expect(session == nil)
    #expect(recorder == nil)
  }
}
