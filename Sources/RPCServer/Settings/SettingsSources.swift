import Configuration

/// The places where settings come from, the strongest first: flags, environment, `.env`, the table's defaults.
struct SettingsSources: Sendable {
  private let flags: [String: String]
  private let environment: EnvironmentVariablesProvider
  private let file: EnvironmentVariablesProvider
  private let filePath: String

  /// - Throws: `SettingsError` when the file is there and cannot be read.
  init(flags: [String: String], environment: [String: String]?, file path: String) async throws {
    self.flags = flags
    self.environment =
      environment.map { EnvironmentVariablesProvider(environmentVariables: $0) } ?? EnvironmentVariablesProvider()
    filePath = path
    do {
      file = try await EnvironmentVariablesProvider(environmentFilePath: .init(path), allowMissing: true)
    } catch {
      throw SettingsError(line: "cannot read the settings in \(path): \(error)")
    }
  }

  /// - Throws: `SettingsError` when the strongest place that has the setting has something that it does not take.
  func value<Value>(of setting: Setting<Value>) throws(SettingsError) -> Value {
    let (text, origin) = given(setting.entry)
    guard let value = setting.kind.read(text) else {
      throw SettingsError(setting.entry, text: text, origin: origin)
    }
    return value
  }

  /// An empty variable counts as one that is not there: that is how compose files leave one out.
  private func given(_ entry: SettingEntry) -> (text: String, origin: String) {
    if let text = flags[entry.name] { return (text, entry.flag) }
    if let text = try? environment.environmentValue(forName: entry.environment), !text.isEmpty {
      return (text, "\(entry.environment) in the environment")
    }
    if let text = try? file.environmentValue(forName: entry.environment), !text.isEmpty {
      return (unquoted(text), "\(entry.environment) in \(filePath)")
    }
    return (entry.fallback, "the default")
  }
}

/// `.env` files are often read by shells too, which take quotes away.
private func unquoted(_ text: String) -> String {
  guard text.count >= 2, let quote = text.first, quote == "\"" || quote == "'", text.last == quote else { return text }
  return String(text.dropFirst().dropLast())
}
