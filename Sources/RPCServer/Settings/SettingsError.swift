/// A setting that cannot be used, as one line for the person who started segmentd.
package struct SettingsError: Error, Equatable, CustomStringConvertible {
  /// `EX_CONFIG` of sysexits: what the process exits with.
  package static let exitCode: Int32 = 78

  private let line: String

  init(line: String) {
    self.line = line
  }

  init(_ entry: SettingEntry, text: String, origin: String) {
    let value = entry.isSecret ? "its value" : "'\(text)'"
    self.init(line: "setting \(entry.name): \(value) (from \(origin)) cannot be used; it takes \(entry.accepts)")
  }

  package var description: String { line }
}
