/// The command lines of gRPC's interoperability clients and servers, which are written as each language's library of flags takes them:
/// with one hyphen or two, the value behind `=` or as the next word; a flag that is true or false may stand alone, and an empty value
/// is that of a flag that is not there.
package enum InteropFlags {
  private static let truths = ["true": "true", "t": "true", "1": "true", "false": "false", "f": "false", "0": "false"]

  /// - Parameter names: The flags that are true or false, with two hyphens.
  /// - Returns: The words with two hyphens, and with `=true` or `=false` behind each of those.
  package static func completed(_ words: [String], booleans names: Set<String>) -> [String] {
    var completed: [String] = []
    var rest = words[...]
    while let word = rest.popFirst().map(hyphenated) {
      let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
      if word.hasPrefix("--"), parts.last == "" || parts.count == 1 && rest.first == "" {
        if parts.count == 1 { rest.removeFirst() }
        continue
      }
      guard let name = parts.first, names.contains(name) else {
        completed.append(word)
        continue
      }
      if parts.count == 2 {
        completed.append("\(name)=\(truths[parts[1].lowercased()] ?? parts[1])")
      } else if let value = rest.first.flatMap({ truths[$0.lowercased()] }) {
        completed.append("\(name)=\(value)")
        rest.removeFirst()
      } else {
        completed.append("\(name)=true")
      }
    }
    return completed
  }

  private static func hyphenated(_ word: String) -> String {
    word.count > 2 && word.first == "-" && word.dropFirst().first?.isLetter == true ? "-\(word)" : word
  }
}
