/// The command lines of gRPC's interoperability clients and servers: a flag that is true or false may stand alone, and has its value
/// behind `=` or as the next word.
package enum InteropFlags {
  /// - Parameter names: The flags that are true or false, with their hyphens.
  /// - Returns: The words with a value for each of those.
  package static func completed(_ words: [String], booleans names: Set<String>) -> [String] {
    words.enumerated().map { index, word in
      guard names.contains(word) else { return word }
      let next = words.dropFirst(index + 1).first
      return next == "true" || next == "false" ? word : "\(word)=true"
    }
  }
}
