import Logging

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// Writes each log event as one line of JSON: `time`, `level`, `label`, `message`, and the metadata by its keys.
struct JSONLogHandler: LogHandler {
  private struct Line: Encodable {
    let time: String
    let level: String
    let label: String
    let message: String
    let metadata: [String: String]?
  }

  let label: String
  var logLevel = Logger.Level.info
  var metadata: Logger.Metadata = [:]

  init(label: String) {
    self.label = label
  }

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) {
    let all = metadata.merging(event.metadata ?? [:]) { _, new in new }
    let line = Line(
      time: Date.now.formatted(.iso8601.time(includingFractionalSeconds: true)), level: event.level.rawValue,
      label: label, message: event.message.description, metadata: all.isEmpty ? nil : all.mapValues(\.description))
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    guard let bytes = try? encoder.encode(line) else { return }
    Output.error(String(decoding: bytes, as: UTF8.self))
  }
}
