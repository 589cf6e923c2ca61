import ArgumentParser
import GRPC

/// How the server deals with its connections, whatever is asked through them.
package struct ConnectionSettings: Sendable {
  package let compression: CompressionPolicy

  init(from sources: SettingsSources) throws(SettingsError) {
    compression = try sources.value(of: SettingsTable.compression)
  }
}

extension SettingsTable {
  static let compression = Setting<CompressionPolicy>(
    "compression", .choice, "POLICY", default: "off",
    "Whether answers of 1 KiB and more are compressed for callers that take it; requests may always be")

  static let connectionEntries = [compression.entry]
}

/// The flags of `segmentd serve` for `ConnectionSettings`.
package struct ConnectionFlags: ParsableArguments {
  @Option(SettingsTable.compression.entry) package var compression: String?

  package init() {}

  var given: [String: String] {
    collect([(SettingsTable.compression.entry, compression)])
  }
}

/// Whether answers are compressed.
package enum CompressionPolicy: String, CaseIterable, Sendable {
  case off
  case on
}
