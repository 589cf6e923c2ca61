import Testing

@testable import GRPC

/// The look at a connection, with a clock of the test's own.
@Suite struct ConnectionWatchTests {
  private typealias Facts = ConnectionWatch.Facts

  private static let start = ContinuousClock.now

  private static func watch(_ change: (inout ServerLimits) -> Void = { _ in }) -> ConnectionWatch {
    var limits = ServerLimits()
    change(&limits)
    return ConnectionWatch(SharedLimits(limits), openedAt: start, jitter: 1)
  }

  private static func at(_ seconds: Int) -> ContinuousClock.Instant { start + .seconds(seconds) }

  @Test("a client that does not speak HTTP/2 in time is cut off")
  func handshake() {
    var watch = Self.watch()
    #expect(watch.look(Facts(isEstablished: false, receivedBytes: 5), at: Self.at(9)) == .none)
    #expect(watch.look(Facts(isEstablished: false, receivedBytes: 9), at: Self.at(10)) == .close(.handshake))
  }

  @Test("a frame must end in time, however slowly its bytes drip")
  func frame() {
    var watch = Self.watch()
    for second in 1...30 {
      let facts = Facts(receivedBytes: second, receivedFrames: 7, isWithinFrame: true)
      #expect(watch.look(facts, at: Self.at(second)) == .none)
    }
    let late = Facts(receivedBytes: 31, receivedFrames: 7, isWithinFrame: true)
    #expect(watch.look(late, at: Self.at(31)) == .close(.frame))
  }

  @Test("frames that do end may follow each other for ever")
  func frames() {
    var watch = Self.watch()
    for second in 1...300 {
      let facts = Facts(receivedBytes: second, receivedFrames: second / 20, isWithinFrame: true)
      #expect(watch.look(facts, at: Self.at(second)) == .none)
    }
  }

  @Test("a client that takes nothing for ten minutes is cut off, whatever else it says")
  func stalled() {
    var watch = Self.watch()
    for second in 0..<600 {
      let facts = Facts(receivedBytes: second, calls: 1, queuedOutput: 100, writtenBytes: second)
      #expect(watch.look(facts, at: Self.at(second)) == .none)
    }
    let facts = Facts(receivedBytes: 601, calls: 1, queuedOutput: 100, writtenBytes: 601)
    #expect(watch.look(facts, at: Self.at(600)) == .close(.stalled))
  }

  @Test("a socket that takes nothing for ten minutes is cut off")
  func stalledSocket() {
    var watch = Self.watch { $0.keepaliveInterval = .seconds(100_000) }
    #expect(watch.look(Facts(calls: 1, unwrittenBytes: 100, writtenBytes: 5), at: Self.at(0)) == .none)
    #expect(watch.look(Facts(calls: 1, unwrittenBytes: 100, writtenBytes: 5), at: Self.at(599)) == .none)
    #expect(watch.look(Facts(calls: 1, unwrittenBytes: 100, writtenBytes: 5), at: Self.at(600)) == .close(.stalled))
  }

  @Test("time in which nothing is queued does not count")
  func nothingQueued() {
    var watch = Self.watch()
    #expect(watch.look(Facts(receivedBytes: 1, calls: 1), at: Self.at(500)) == .none)
    #expect(watch.look(Facts(receivedBytes: 2, calls: 1, queuedOutput: 1), at: Self.at(900)) == .none)
    #expect(watch.look(Facts(receivedBytes: 3, calls: 1, queuedOutput: 1), at: Self.at(1099)) == .none)
    #expect(watch.look(Facts(receivedBytes: 4, calls: 1, queuedOutput: 1), at: Self.at(1100)) == .close(.stalled))
  }

  @Test("one for whom much is queued gets ten seconds to take a part of it")
  func crowded() {
    var watch = Self.watch { $0.queuedOutput = 1600 }
    for second in 0..<100 {
      // A sixteenth in ten seconds is enough.
      let facts = Facts(receivedBytes: second, calls: 1, queuedOutput: 1601, sentOutput: second * 10)
      #expect(watch.look(facts, at: Self.at(second)) == .none)
    }
    var verdicts: [ConnectionWatch.Verdict] = []
    for second in 100...120 {
      let facts = Facts(receivedBytes: second, calls: 1, queuedOutput: 1601, sentOutput: 1000 + second)
      verdicts.append(watch.look(facts, at: Self.at(second)))
    }
    #expect(verdicts.contains(.close(.crowded)))
  }

  @Test("a connection without calls is told to go once, and closed when it does not")
  func idle() {
    var watch = Self.watch { $0.keepaliveInterval = .seconds(100_000) }
    #expect(watch.look(Facts(openedCalls: 3, calls: 1), at: Self.at(1)) == .none)
    #expect(watch.look(Facts(openedCalls: 3, calls: 1), at: Self.at(3000)) == .none)
    #expect(watch.look(Facts(openedCalls: 3), at: Self.at(4799)) == .none)
    #expect(watch.look(Facts(openedCalls: 3), at: Self.at(4800)) == .drain(.idle))
    #expect(watch.look(Facts(openedCalls: 3), at: Self.at(4801)) == .none)
    #expect(watch.look(Facts(openedCalls: 3), at: Self.at(4820)) == .close(.overdue))
  }

  @Test("calls between two looks keep a connection")
  func busy() {
    var watch = Self.watch { $0.connectionAge = .seconds(1_000_000) }
    for look in 1...100 {
      #expect(watch.look(Facts(receivedBytes: look, openedCalls: look), at: Self.at(look * 1000)) == .none)
    }
  }

  @Test("an old connection is told to go, and its calls have a grace")
  func aged() {
    var watch = Self.watch { $0.connectionAgeGrace = .seconds(100) }
    #expect(watch.look(Facts(receivedBytes: 1, calls: 1), at: Self.at(7199)) == .none)
    #expect(watch.look(Facts(receivedBytes: 2, calls: 1), at: Self.at(7200)) == .drain(.aged))
    #expect(watch.look(Facts(receivedBytes: 3, calls: 1), at: Self.at(7299)) == .none)
    #expect(watch.look(Facts(receivedBytes: 4, calls: 1), at: Self.at(7300)) == .close(.overdue))
  }

  @Test("a silent client is asked for a sign of life, and any byte is one")
  func keepalive() {
    var watch = Self.watch()
    #expect(watch.look(Facts(receivedBytes: 5, calls: 1), at: Self.at(10)) == .none)
    #expect(watch.look(Facts(receivedBytes: 5, calls: 1), at: Self.at(69)) == .none)
    #expect(watch.look(Facts(receivedBytes: 5, calls: 1), at: Self.at(70)) == .ping)
    #expect(watch.look(Facts(receivedBytes: 5, calls: 1), at: Self.at(71)) == .none)
    #expect(watch.look(Facts(receivedBytes: 22, calls: 1), at: Self.at(72)) == .none)
    #expect(watch.look(Facts(receivedBytes: 22, calls: 1), at: Self.at(132)) == .ping)
    #expect(watch.look(Facts(receivedBytes: 22, calls: 1), at: Self.at(151)) == .none)
    #expect(watch.look(Facts(receivedBytes: 22, calls: 1), at: Self.at(152)) == .close(.keepalive))
  }
}
