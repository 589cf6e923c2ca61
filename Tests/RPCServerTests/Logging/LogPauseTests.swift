import Testing

@testable import RPCServer

@Suite struct LogPauseTests {
  @Test("one line passes, and the next one after ten seconds tells how many were left out")
  func pauses() {
    var pause = LogPause()
    let start = ContinuousClock.now
    #expect(pause.leftOut(at: start) == 0)
    #expect(pause.leftOut(at: start + .seconds(1)) == nil)
    #expect(pause.leftOut(at: start + .seconds(9)) == nil)
    #expect(pause.leftOut(at: start + .seconds(10)) == 2)
    #expect(pause.leftOut(at: start + .seconds(11)) == nil)
    #expect(pause.leftOut(at: start + .seconds(60)) == 1)
    #expect(pause.leftOut(at: start + .seconds(120)) == 0)
  }
}
