/// A line on standard error that tells how far a command has come, when that is a terminal; else nothing.
///
///     importing  43%  [=========>            ]  31,000 lines  120,000/s  1.2 s
struct Progress {
  private static let interval = Duration.milliseconds(100)

  private let label: String
  private let total: Int64?
  private let isShown: Bool
  private let started = ContinuousClock.now
  private var drawn: ContinuousClock.Instant
  private var isOnScreen = false

  /// - Parameter total: What `done` ends at; nil when that is not known.
  init(_ label: String, of total: Int64?, isShown: Bool = StandardError.isTerminal) {
    self.label = label
    self.total = total
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

  func text(_ done: Int64, count: Int64, _ unit: String, after time: Duration, width: Int) -> String {
    let rate = Int64(Double(count) / max(0.001, time / .seconds(1)))
    let figures = "\(Text.grouped(count)) \(unit)  \(Text.grouped(rate))/s  \(Text.seconds(time))"
    guard let total, total > 0 else { return String("\(label)  \(figures)".prefix(width - 1)) }
    let fraction = min(1, Double(done) / Double(total))
    let percent = "\(Int(fraction * 100))%"
    let head = "\(label)  \(String(repeating: " ", count: 4 - percent.count))\(percent)  "
    let room = min(40, width - 1 - head.count - figures.count - 4)
    guard room >= 10 else { return String((head + figures).prefix(width - 1)) }
    let filled = Int(fraction * Double(room))
    let bar = String(repeating: "=", count: filled) + (filled < room ? ">" : "")
    return "\(head)[\(bar.padded(to: room))]  \(figures)"
  }
}

extension String {
  fileprivate func padded(to width: Int) -> String {
    self + String(repeating: " ", count: Swift.max(0, width - count))
  }
}
