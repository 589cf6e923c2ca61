/// Lengths of time as people write them: whole numbers with a unit each, `90s`, `12h`, `1d12h`.
enum Span {
  struct Malformed: Error, CustomStringConvertible {
    let text: String
    var description: String { "'\(text)' is not a duration above zero such as 500ms, 90s, 30m, 12h, 7d or 1d12h" }
  }

  private static let units: [Substring: Int64] = [
    "ms": 1000, "s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000, "w": 604_800_000_000,
  ]

  /// - Returns: Microseconds, above zero.
  static func microseconds(_ text: String) throws(Malformed) -> Int64 {
    var rest = text[...]
    var total: Int64 = 0
    while !rest.isEmpty {
      let digits = rest.prefix { ("0"..."9").contains($0) }
      let unit = rest.dropFirst(digits.count).prefix { $0.isLetter }
      guard let number = Int64(digits), let factor = units[unit] else { throw Malformed(text: text) }
      let (part, tooLarge) = number.multipliedReportingOverflow(by: factor)
      let (sum, overflow) = total.addingReportingOverflow(part)
      guard !tooLarge, !overflow else { throw Malformed(text: text) }
      total = sum
      rest = rest.dropFirst(digits.count + unit.count)
    }
    guard total > 0 else { throw Malformed(text: text) }
    return total
  }

  static func timeout(_ text: String) throws(Malformed) -> Duration {
    .microseconds(try microseconds(text))
  }
}
