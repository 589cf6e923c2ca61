import Testing

@testable import HTTP2

@Suite struct FloodGuardTests {
  private static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)

  private static func frame(_ type: UInt8, flags: UInt8 = 0, stream: Int = 1, _ payload: [UInt8] = []) -> [UInt8] {
    [0, UInt8(payload.count >> 8), UInt8(payload.count & 255), type, flags]
      + [0, 0, UInt8(stream >> 8), UInt8(stream & 255)] + payload
  }

  private static func limits(_ change: (inout FloodLimits) -> Void) -> FloodLimits {
    var limits = FloodLimits()
    change(&limits)
    return limits
  }

  private func feed(_ guarding: inout FloodGuard, _ bytes: [UInt8], chunk: Int = .max) -> Flood? {
    var rest = bytes[...]
    while !rest.isEmpty {
      let piece = Array(rest.prefix(chunk))
      if case .flood(let flood) = piece.withUnsafeBytes({ guarding.receive($0) }) { return flood }
      rest = rest.dropFirst(chunk)
    }
    return nil
  }

  @Test("frames are counted wherever the bytes are cut", arguments: [1, 2, 5, 8, 9, 100])
  func cuts(_ chunk: Int) {
    var guarding = FloodGuard(.init())
    var bytes = Self.preface + Self.frame(4)
    for size in [0, 1, 300] { bytes += Self.frame(0, [UInt8](repeating: 6, count: size)) }
    #expect(feed(&guarding, bytes, chunk: chunk) == nil)
    #expect(guarding.frames == 4)
    #expect(!guarding.isWithinFrame)
  }

  @Test("every cut but those between frames is within a frame")
  func within() {
    let bytes = Self.frame(6, [UInt8](repeating: 0, count: 8))
    for count in 0...bytes.count {
      var guarding = FloodGuard(.init())
      _ = feed(&guarding, Self.preface + Self.frame(4) + bytes[..<count])
      #expect(guarding.isWithinFrame == (1..<bytes.count).contains(count))
    }
  }

  @Test("a header block is one frame until its last CONTINUATION")
  func headerBlock() {
    var guarding = FloodGuard(.init())
    _ = feed(&guarding, Self.preface + Self.frame(1, [1, 2]))
    #expect(guarding.isWithinFrame)
    _ = feed(&guarding, Self.frame(9, [1, 2]))
    #expect(guarding.isWithinFrame)
    _ = feed(&guarding, Self.frame(9, flags: 4, [1, 2]))
    #expect(!guarding.isWithinFrame)
  }

  @Test(
    "ten seconds' worth may come at once, one more is a flood",
    arguments: [
      (Self.frame(6), Flood.pings, 20), (Self.frame(4), .settings, 20), (Self.frame(3), .resets, 20),
      (Self.frame(0), .emptyFrames, 20), (Self.frame(2), .emptyFrames, 20), (Self.frame(8), .emptyFrames, 20),
      (Self.frame(77), .emptyFrames, 20), (Self.frame(9), .emptyFrames, 20),
    ])
  func floods(_ frame: [UInt8], _ flood: Flood, _ burst: Int) {
    var guarding = FloodGuard(
      Self.limits {
        $0.pings = 2
        $0.settings = 2
        $0.resets = 2
        $0.emptyFrames = 2
      })
    #expect(feed(&guarding, Self.preface) == nil)
    for _ in 0..<burst { #expect(feed(&guarding, frame) == nil) }
    #expect(feed(&guarding, frame) == flood)
    guarding.refill(seconds: 1)
    #expect(feed(&guarding, frame) == nil)
  }

  @Test("acknowledgements, contents and ends are no floods")
  func free() {
    var guarding = FloodGuard(
      Self.limits {
        $0.pings = 1
        $0.settings = 1
        $0.emptyFrames = 1
      })
    #expect(feed(&guarding, Self.preface) == nil)
    for stream in stride(from: 1, to: 2000, by: 2) {
      let request =
        Self.frame(1, flags: 4, stream: stream, [1]) + Self.frame(0, stream: stream, [1])
        + Self.frame(0, flags: 1, stream: stream)
      #expect(feed(&guarding, request) == nil)
      #expect(feed(&guarding, Self.frame(6, flags: 1) + Self.frame(4, flags: 1)) == nil)
    }
  }

  @Test("one ping for each frame of an answer is free, as clients measure the line with them")
  func measuring() {
    var guarding = FloodGuard(Self.limits { $0.pings = 1 })
    #expect(feed(&guarding, Self.preface) == nil)
    for _ in 0..<1000 {
      guarding.answered()
      #expect(feed(&guarding, Self.frame(6)) == nil)
    }
    for _ in 0..<10 { #expect(feed(&guarding, Self.frame(6)) == nil) }
    #expect(feed(&guarding, Self.frame(6)) == .pings)
  }

  @Test("resets that the client provokes count as its own")
  func provoked() {
    var guarding = FloodGuard(Self.limits { $0.resets = 1 })
    for _ in 0..<10 { #expect(guarding.provokedReset() == nil) }
    #expect(guarding.provokedReset() == .resets)
  }

  @Test("a frame on a stream that the client has ended is found wherever the bytes are cut", arguments: 1...12)
  func misplaced(_ chunk: Int) {
    var guarding = FloodGuard(.init())
    let bytes = Self.preface + Self.frame(1, flags: 5, stream: 257, [1, 2]) + Self.frame(0, stream: 257, [1])
    var complaint: FloodGuard.Complaint?
    var rest = bytes[...]
    while !rest.isEmpty, complaint == nil {
      complaint = Array(rest.prefix(chunk)).withUnsafeBytes { guarding.receive($0) }
      rest = rest.dropFirst(chunk)
    }
    #expect(complaint == .error(.streamClosed))
  }
}
