import Logging

/// Where the log goes: standard error, as lines of text or as one JSON object a line.
enum LogOutput {
  /// - Parameter level: The level in force, when that is to be changed while the logger is used.
  static func logger(_ label: String, settings: Settings, level: LogLevel? = nil) -> Logger {
    let level = level ?? LogLevel(settings.logLevel)
    return Logger(label: label) { label in
      switch settings.logFormat {
      case .text: AdjustableLogHandler(StreamLogHandler.standardError(label: label), level: level)
      case .json: AdjustableLogHandler(JSONLogHandler(label: label), level: level)
      }
    }
  }
}
