import EventLoop
import Testing

@testable import HTTP2

@Suite struct UnreadTests {
  private static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) + [0, 0, 0, 4, 0, 0, 0, 0, 0]
  private static let ping: [UInt8] = [0, 0, 8, 6, 0, 0, 0, 0, 0] + [UInt8](repeating: 7, count: 8)

  private static func server(unread: Int) throws -> Session {
    var configuration = HTTP2Configuration()
    configuration.floods = FloodLimits()
    configuration.floods?.unread = unread
    return try Session(.server, configuration: configuration, on: EventLoop(name: "not running")) { _ in }
  }

  private static func receive(_ bytes: [UInt8], _ session: Session) throws {
    try bytes.withUnsafeBytes { try session.receive($0) }
  }

  @Test("answers that wait are bounded while the socket takes nothing, and are forgotten when it does")
  func bounded() throws {
    let session = try Self.server(unread: 20)
    try Self.receive(Self.preface, session)
    for _ in 0..<3 {
      for _ in 0..<15 { try Self.receive(Self.ping, session) }
      try session.checkUnread()
      var bytes: [UInt8] = []
      try session.gather(into: &bytes, limit: .max)
    }
    for _ in 0..<21 { try Self.receive(Self.ping, session) }
    #expect(throws: HTTP2Error.flooded) { try session.checkUnread() }
    #expect(session.refused == .unread)
    #expect(session.tally.counters.unreadFloods == 1)
  }

  @Test("a session without limits has none here either")
  func unbounded() throws {
    let session = try Session(.server, configuration: .init(), on: EventLoop(name: "not running")) { _ in }
    try Self.receive(Self.preface, session)
    for _ in 0..<500 { try Self.receive(Self.ping, session) }
    try session.checkUnread()
  }
}
