import ArgumentParser

/// A word of a command line that stands where a command's name is wanted and is none. ArgumentParser calls it an unexpected
/// argument.
struct UnknownCommand: CustomStringConvertible {
  let word: String
  /// The command that it was given to, such as `segctl segment`.
  let parent: String
  /// The command that was probably meant; nil when none is near.
  let suggestion: String?

  /// - Parameters:
  ///   - arguments: Of the process, without its name.
  ///   - message: What ArgumentParser says of them.
  /// - Returns: nil when something else is wrong with them.
  init?(in arguments: some Sequence<String>, of root: any ParsableCommand.Type, message: String) {
    guard message.contains("nexpected argument") else { return nil }
    var command = root
    var path = [root._commandName]
    for argument in arguments where !argument.hasPrefix("-") {
      let names = command.configuration.subcommands
      if let next = names.first(where: { $0._commandName == argument }) {
        command = next
        path.append(argument)
      } else if !names.isEmpty, message.contains("'\(argument)'") {
        word = argument
        parent = path.joined(separator: " ")
        suggestion = Self.nearest(to: argument, among: names.map { $0._commandName })
        return
      }
    }
    return nil
  }

  var description: String {
    let name = Text.printable(word)
    return suggestion.map { "'\(name)' is not a command of \(parent); did you mean '\($0)'?" }
      ?? "'\(name)' is not a command of \(parent); '\(parent) --help' lists them."
  }

  /// The name that takes the fewest edits, at most two; or the only one that begins like this.
  private static func nearest(to word: String, among names: [String]) -> String? {
    let beginnings = names.filter { $0.hasPrefix(word) }
    if let only = beginnings.first, beginnings.count == 1 { return only }
    let distances = names.map { (name: $0, edits: edits(Array(word.utf8), Array($0.utf8))) }
    return distances.filter { $0.edits <= 2 }.min { $0.edits < $1.edits }?.name
  }

  /// How many bytes must be put in, left out or replaced to make the one of the other (Levenshtein).
  private static func edits(_ one: [UInt8], _ other: [UInt8]) -> Int {
    var row = Array(0...other.count)
    for (index, byte) in one.enumerated() {
      var diagonal = row[0]
      row[0] = index + 1
      for column in other.indices {
        let replaced = diagonal + (byte == other[column] ? 0 : 1)
        diagonal = row[column + 1]
        row[column + 1] = min(replaced, diagonal + 1, row[column] + 1)
      }
    }
    return row[other.count]
  }
}
