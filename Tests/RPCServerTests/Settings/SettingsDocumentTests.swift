import Foundation
import Testing

@testable import RPCServer

@Suite("docs/settings.md") struct SettingsDocumentTests {
  @Test("lists every setting with its flag, variable, default and meaning, in the order of the help")
  func listsAll() throws {
    let root = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../..")
    let document = try String(contentsOf: root.appending(path: "docs/settings.md"), encoding: .utf8)
    let rows = document.split(separator: "\n").filter { $0.hasPrefix("| `--") }.map(String.init)
    let expected = SettingsTable.all.map { entry in
      let fallback = entry.fallback.isEmpty ? "" : "`\(entry.fallback)`"
      let placeholder = entry.placeholder.replacing("|", with: "\\|")
      return "| `\(entry.flag) \(placeholder)` | `\(entry.environment)` | \(fallback) | \(entry.meaning) |"
    }
    for (row, wanted) in zip(rows, expected) { #expect(row == wanted) }
    #expect(rows.count == expected.count)
  }
}
