/// What the table, the help and an error line say about one setting, whatever the type of its value.
package struct SettingEntry: Sendable {
  /// The flag without its dashes: `data-dir`.
  package let name: String
  /// What stands for the value in the help: `DIR`.
  package let placeholder: String
  /// The value when nobody gives one, written as a user would write it. Empty: there is none.
  package let fallback: String
  /// What the setting takes, as the end of the sentence "it takes ...".
  package let accepts: String
  /// What the setting does, one sentence without its full stop.
  package let meaning: String
  /// Whether its value may hold a password, so that nobody prints it.
  package let isSecret: Bool

  package var flag: String { "--\(name)" }

  /// The environment's name for it: `SEGMENTD_DATA_DIR`.
  package var environment: String {
    "SEGMENTD_" + String(name.map { $0 == "-" ? "_" : $0 }).uppercased()
  }
}

/// One setting: its entry in the table and how its text becomes a value.
package struct Setting<Value: Sendable>: Sendable {
  package let entry: SettingEntry
  let kind: SettingKind<Value>

  init(
    _ name: String, _ kind: SettingKind<Value>, _ placeholder: String, default fallback: String, _ meaning: String,
    isSecret: Bool = false
  ) {
    self.kind = kind
    entry = SettingEntry(
      name: name, placeholder: placeholder, fallback: fallback, accepts: kind.accepts, meaning: meaning,
      isSecret: isSecret)
  }
}
