import Logging

/// Where the log goes: standard error, as lines of text or as one JSON object a line.
enum LogOutput {
  static func logger(_ label: String, settings: Settings) -> Logger {
    var logger = Logger(label: label) { label in
      switch settings.logFormat {
      case .text: StreamLogHandler.standardError(label: label)
      case .json: JSONLogHandler(label: label)
      }
    }
    logger.logLevel = settings.logLevel
    return logger
  }
}
