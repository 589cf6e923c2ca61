import ArgumentParser

/// Where reports of the audit log are kept, and how they are fetched.
package struct ReportSettings: Sendable {
  /// Nil: `reports` in the data directory.
  package let directory: String?
  /// Bytes.
  package let space: Int
  /// Nil: the address of the admin port.
  package let url: String?

  init(from sources: SettingsSources) throws(SettingsError) {
    directory = try sources.value(of: SettingsTable.reportDirectory)
    space = try sources.value(of: SettingsTable.reportSpace)
    url = try sources.value(of: SettingsTable.reportURL)
  }
}

extension SettingsTable {
  static let reportDirectory = Setting(
    "report-dir", .path(of: "directory"), "DIR", default: "",
    "Where reports of the audit log are kept until they expire; without it, in the data directory")
  static let reportSpace = Setting(
    "report-space", .size(1024...(1 << 50)), "SIZE", default: "1GiB", "What all reports together may take")
  static let reportURL = Setting(
    "report-url", .webAddress, "URL", default: "",
    "What the links of reports begin with, such as the proxy's address; without it, the admin port's")

  static let reportEntries = [reportDirectory.entry, reportSpace.entry, reportURL.entry]
}

extension SettingKind where Value == String? {
  /// Without the slashes at its end; nil when empty.
  fileprivate static var webAddress: Self {
    Self(accepts: "an address that begins with http:// or https://, or nothing") { text in
      if text.isEmpty { return .some(nil) }
      guard text.hasPrefix("http://") || text.hasPrefix("https://"),
        text.utf8.allSatisfy({ (0x21...0x7e).contains($0) })
      else { return nil }
      var text = text
      while text.hasSuffix("/") { text.removeLast() }
      return .some(text)
    }
  }
}

/// The flags of `segmentd serve` for `ReportSettings`.
package struct ReportFlags: ParsableArguments {
  @Option(SettingsTable.reportDirectory.entry) package var reportDirectory: String?
  @Option(SettingsTable.reportSpace.entry) package var reportSpace: String?
  @Option(SettingsTable.reportURL.entry) package var reportURL: String?

  package init() {}

  var given: [String: String] {
    collect([
      (SettingsTable.reportDirectory.entry, reportDirectory), (SettingsTable.reportSpace.entry, reportSpace),
      (SettingsTable.reportURL.entry, reportURL),
    ])
  }
}
