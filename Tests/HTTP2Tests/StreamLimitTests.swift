import CNghttp2
import EventLoop
import Testing

@testable import HTTP2

@Suite struct StreamLimitTests {
  private static func settings(_ entries: [(UInt16, UInt32)], padding: Int = 0) -> [UInt8] {
    var bytes: [UInt8] = [0, 0, UInt8(entries.count * 6), 4, 0, 0, 0, 0, 0]
    for (name, value) in entries {
      bytes += [UInt8(name >> 8), UInt8(truncatingIfNeeded: name)]
      bytes += (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * UInt32($0))) }
    }
    return bytes + [UInt8](repeating: 3, count: padding)
  }

  @Test("the limit is written where the SETTINGS have one, and nowhere else")
  func announce() {
    var bytes = Self.settings([(4, 7), (3, 9192), (6, 3)], padding: 12)
    StreamLimit.announce(1000, in: &bytes)
    #expect(bytes == Self.settings([(4, 7), (3, 1000), (6, 3)], padding: 12))
  }

  @Test("what is cut, empty or another frame stays as it is", arguments: [0, 5, 9, 14])
  func odd(_ count: Int) {
    let bytes = Array(Self.settings([(3, 9192)]).prefix(count))
    var changed = bytes
    StreamLimit.announce(1, in: &changed)
    #expect(changed == bytes)
    var ping = Self.settings([(3, 9192)])
    ping[3] = 6
    changed = ping
    StreamLimit.announce(1, in: &changed)
    #expect(changed == ping)
  }

  @Test("any limit has a reserve", arguments: [0, 1, 1000, UInt32.max - 1, UInt32.max])
  func reserve(_ limit: UInt32) {
    #expect(StreamLimit.withReserve(limit) >= limit)
  }

  @Test("one stream too many is refused, whether or not the client has acknowledged the limit; the others go on")
  func refused() throws {
    var server = HTTP2Configuration()
    server.maxConcurrentStreams = 2
    let pair = try SessionPair(server: server) { _ in }
    try pair.exchange()
    // A client of ours keeps to what it was told.
    let kept = try (0..<3).map { _ in
      let recorder = Recorder()
      _ = try pair.client.request(SessionPair.request, endStream: true, delegate: recorder)
      return recorder
    }
    try pair.exchange()
    #expect(pair.received.count == 2)
    #expect(kept.allSatisfy { $0.closed.isEmpty })
    pair.received[0].stream?.respondAndEnd([":status": "200"])
    try pair.exchange()
    #expect(pair.received.count == 3)
    #expect(pair.server.tally.counters.streamsOverLimit == 0)
  }
}
