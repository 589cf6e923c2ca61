/// A line on standard error that tells how far a command has come, when that is a terminal; else nothing.
///
///     importing  43%  [=========>            ]  31,000 lines  120,000/s  1.2 s
struct Progress {
  private static let interval = Duration.milliseconds(100)

  private let label: String
  private let total: Int64?
  /// What was there before, and says nothing about the rate.
  private let begun: Int64
  private let isShown: Bool
  private let started = ContinuousClock.now
  private var drawn: ContinuousClock.Instant
  private var isOnScreen = false

  /// - Parameters:
  ///   - total: What `done` ends at; nil when that is not known.
  ///   - begun: What `count` begins with.
  init(_ label: String, of total: Int64?, begun: Int64 = 0, isShown: Bool = StandardError.isTerminal) {
    self.label = label
    self.total = total
    self.begun = begun
    self.isShown = isShown
    drawn = started
  }

  /// - Parameters:
  ///   - done: Of the total.
  ///   - count: What people count in, such as lines.
  mutating func update(_ done: Int64, count: Int64, _ unit: String) {
    guard isShown, .now - drawn >= Self.interval else { return }
    drawn = .now
    isOnScreen = true
    StandardError.write(
      "\r" + text(done, count: count, unit, after: drawn - started, width: StandardError.width) + "\u{1b}[K")
  }

  /// Takes the line away.
  mutating func clear() {
    if isOnScreen { StandardError.write("\r\u{1b}[K") }
    isOnScreen = false
  }

  /// Of what there is to tell as much as fits: never a part of a number.
  func text(_ done: Int64, count: Int64, _ unit: String, after time: Duration, width: Int) -> String {
    let rate = "\(Text.grouped(Int64(Double(count - begun) / max(0.001, time / .seconds(1)))))/s"
    let figures = ["\(Text.grouped(count)) \(unit)", rate, Text.seconds(time)]
    guard let total, total > 0 else { return Self.fitting([label] + figures, in: width - 1) }
    let fraction = min(1, Double(done) / Double(total))
    let percent = "\(Int(fraction * 100))%"
    let head = "\(label)  \(String(repeating: " ", count: 4 - percent.count))\(percent)"
    let tail = figures.joined(separator: "  ")
    let room = min(40, width - 1 - head.count - tail.count - 6)
    guard room >= 10 else { return Self.fitting([head] + figures, in: width - 1) }
    let filled = Int(fraction * Double(room))
    let bar = String(repeating: "=", count: filled) + (filled < room ? ">" : "")
    return "\(head)  [\(bar.padded(to: room))]  \(tail)"
  }

  /// What it is about is the first to go.
  private static func fitting(_ parts: [String], in width: Int) -> String {
    let hasRoom = parts.prefix(2).joined(separator: "  ").count <= width
    var text = ""
    for part in hasRoom ? parts[...] : parts.dropFirst() {
      let longer = text.isEmpty ? part : "\(text)  \(part)"
      guard longer.count <= width else { break }
      text = longer
    }
    return text
  }
}

extension String {
  fileprivate func padded(to width: Int) -> String {
    self + String(repeating: " ", count: Swift.max(0, width - count))
  }
}
