#if canImport(Glibc)
  import EventLoop
  import TestSupport
  import Testing

  @Suite(.timeLimit(.minutes(5))) struct FineTimerTests {
    @Test("it fires once for each time it is set, not before its delay, and again when it is set in its own action")
    func fires() async throws {
      try await withLoop { loop in
        final class Owner: @unchecked Sendable {
          var timer: FineTimer?
          var fired = 0
          var began = ContinuousClock.now
        }
        let owner = Owner()
        owner.timer = try FineTimer(on: loop) {
          #expect(ContinuousClock.now - owner.began >= .microseconds(200))
          owner.fired += 1
          guard owner.fired < 100 else { return }
          owner.began = .now
          owner.timer?.schedule(after: .microseconds(200))
        }
        owner.began = .now
        owner.timer?.schedule(after: .microseconds(200))
        try await eventually(on: loop) { owner.fired == 100 }
        // It stays readable, and keeps quiet.
        try await loop.sleep(for: .milliseconds(20))
        #expect(owner.fired == 100)
        owner.timer = nil
      }
    }

    @Test("set anew it fires once, at the later time; freed it keeps quiet")
    func setAnew() async throws {
      try await withLoop { loop in
        final class Owner: @unchecked Sendable { var fired = 0 }
        let owner = Owner()
        var timer: FineTimer? = try FineTimer(on: loop) { owner.fired += 1 }
        timer?.schedule(after: .milliseconds(900))
        timer?.schedule(after: .microseconds(1))
        try await eventually(on: loop) { owner.fired == 1 }
        timer?.schedule(after: .milliseconds(1))
        timer = nil
        try await loop.sleep(for: .milliseconds(20))
        #expect(owner.fired == 1)
      }
    }
  }
#endif
