import ArgumentParser
import EventLoop

/// User ids from the command line, or one a line from standard input.
struct UserIDs: ~Copyable {
  /// What the commands' help says of their ids.
  static let help: ArgumentHelp = "Positive numbers; - reads them from standard input, one a line."

  private var given: ArraySlice<Int64>
  private let input: InputFile?
  private var lines = LineSplitter(limit: 64)
  private var line = 0
  private var isAtEnd = false

  /// For `validate()`.
  static func check(_ arguments: [String]) throws {
    guard arguments != ["-"] else { return }
    for text in arguments where Int64(text) == nil {
      throw ValidationError("'\(text)' is not a number; - alone reads them from standard input.")
    }
  }

  /// - Parameter arguments: Checked.
  init(_ arguments: [String], on loop: EventLoop) throws(Failure) {
    input = arguments == ["-"] ? try InputFile("-", on: loop) : nil
    given = arguments.compactMap { Int64($0) }[...]
  }

  /// - Throws: `Failure`
  mutating func next() async throws -> Int64? {
    try await fill()
    return given.popFirst()
  }

  /// At most that many; none at the end.
  /// - Throws: `Failure`
  mutating func next(_ most: Int) async throws -> [Int64] {
    try await fill()
    defer { given = given.dropFirst(most) }
    return Array(given.prefix(most))
  }

  private mutating func fill() async throws {
    while given.isEmpty, !isAtEnd, let input {
      // Taken from the closure first: it runs while the splitter is being changed.
      var texts: [String] = []
      let keep = { (line: LineSplitter.Line) in
        texts.append(String(decoding: line.bytes, as: UTF8.self))
      }
      if let piece = try await input.next() {
        lines.feed(piece, keep)
      } else {
        isAtEnd = true
        lines.finish(keep)
      }
      for text in texts { try take(text) }
    }
  }

  private mutating func take(_ text: String) throws(Failure) {
    line += 1
    let trimmed = text.filter { !$0.isWhitespace }
    guard !trimmed.isEmpty else { return }
    guard let id = Int64(trimmed) else {
      throw Failure(.badInput, "standard input, line \(line): '\(Text.printable(trimmed))' is not a user id")
    }
    given.append(id)
  }
}
