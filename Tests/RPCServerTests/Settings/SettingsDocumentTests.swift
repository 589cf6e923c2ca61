import Foundation
import Testing

@testable import RPCServer

@Suite("docs/settings.md and docs/limits.md") struct SettingsDocumentTests {
  @Test("lists every setting with its flag, variable, default and meaning, in the order of the help")
  func listsAll() throws {
    let document = try text(of: "docs/settings.md")
    let rows = document.split(separator: "\n").filter { $0.hasPrefix("| `--") }.map(String.init)
    let expected = SettingsTable.all.map { entry in
      let fallback = entry.fallback.isEmpty ? "" : "`\(entry.fallback)`"
      let placeholder = entry.placeholder.replacing("|", with: "\\|")
      return "| `\(entry.flag) \(placeholder)` | `\(entry.environment)` | \(fallback) | \(entry.meaning) |"
    }
    for (row, wanted) in zip(rows, expected) { #expect(row == wanted) }
    #expect(rows.count == expected.count)
  }

  @Test("the limits are those of the settings, with their defaults")
  func limits() throws {
    let rows = try text(of: "docs/limits.md").split(separator: "\n").filter { $0.hasPrefix("| ") }
    let cells = rows.map { $0.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) } }
    let listed = cells.filter { $0[1].hasPrefix("`--") }.map { "\($0[1]) \($0[2])" }
    let names: Set = [
      "max-message-size", "max-metadata-size", "max-concurrent-streams", "tls-handshake-timeout",
    ]
    let bounds = SettingsTable.connectionEntries.filter { !["compression", "drain-pause"].contains($0.name) }
    let expected = (SettingsTable.all.filter { names.contains($0.name) } + bounds).map {
      "`\($0.flag)` `\($0.fallback)`"
    }
    #expect(Set(listed) == Set(expected))
  }

  private func text(of path: String) throws -> String {
    let root = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../..")
    return try String(contentsOf: root.appending(path: path), encoding: .utf8)
  }
}
