import HTTP2

/// The limit for which a server has closed a connection, or not taken it.
package enum CutOff: String, Hashable, Sendable, CaseIterable {
  case connections = "max-connections"
  case handshakeTime = "handshake-timeout"
  case frameTime = "frame-timeout"
  case stallTime = "stall-timeout"
  case queuedOutput = "max-queued-output"
  case connectionAge = "connection-age-grace"
  case keepalive = "keepalive-timeout"
  case pings = "max-pings"
  case settings = "max-settings"
  case resets = "max-resets"
  case emptyFrames = "max-empty-frames"
  case continuations = "max-continuations"
  case unread = "max-unread-frames"

  init(_ flood: Flood) {
    self =
      switch flood {
      case .pings: .pings
      case .settings: .settings
      case .resets: .resets
      case .emptyFrames: .emptyFrames
      case .continuations: .continuations
      case .unread: .unread
      }
  }

  /// - Parameter reason: Why the connection is closed.
  init(_ reason: ConnectionWatch.Reason) {
    self =
      switch reason {
      case .handshake: .handshakeTime
      case .frame: .frameTime
      case .stalled: .stallTime
      case .crowded: .queuedOutput
      case .idle, .aged, .overdue: .connectionAge
      case .keepalive: .keepalive
      }
  }
}
