import Logging
import Synchronization

/// The least severe level that the process logs, which may change while it runs. Any thread may ask and set it.
final class LogLevel: Sendable {
  private let place: Atomic<Int>

  init(_ level: Logger.Level) {
    place = Atomic(Self.place(of: level))
  }

  var current: Logger.Level {
    get { Logger.Level.allCases[place.load(ordering: .relaxed)] }
    set { place.store(Self.place(of: newValue), ordering: .relaxed) }
  }

  private static func place(of level: Logger.Level) -> Int { Logger.Level.allCases.firstIndex(of: level) ?? 0 }
}

/// Asks `LogLevel` for each message and leaves the writing to another handler: loggers are values, and each copy would keep the
/// level that it was made with.
struct AdjustableLogHandler: LogHandler {
  private let level: LogLevel
  private var base: any LogHandler

  init(_ base: any LogHandler, level: LogLevel) {
    self.level = level
    self.base = base
    self.base.logLevel = .trace
  }

  var logLevel: Logger.Level {
    get { level.current }
    set {}  // One level for the whole process.
  }

  var metadata: Logger.Metadata {
    get { base.metadata }
    set { base.metadata = newValue }
  }

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { base[metadataKey: key] }
    set { base[metadataKey: key] = newValue }
  }

  func log(event: LogEvent) {
    base.log(event: event)
  }
}
