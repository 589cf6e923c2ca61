/// Sizes as people write them: bytes, or a number and a binary unit.
enum Size {
  private static let units: [(name: String, bytes: Int)] = [
    ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1),
  ]

  static func read(_ text: String) -> Int? {
    let (number, unit) = splitUnit(text)
    guard let number, let bytes = unit.isEmpty ? 1 : units.first(where: { $0.name == unit })?.bytes else { return nil }
    let (size, overflow) = number.multipliedReportingOverflow(by: bytes)
    return overflow ? nil : size
  }

  static func text(_ size: Int) -> String {
    let unit = units.first { size >= $0.bytes && size.isMultiple(of: $0.bytes) }
    return unit.map { "\(size / $0.bytes)\($0.name)" } ?? "\(size)B"
  }
}

/// Lengths of time as people write them: a whole number and a unit, which is never left out.
enum Span {
  private static let units: [(name: String, milliseconds: Int)] = [
    ("d", 86_400_000), ("h", 3_600_000), ("m", 60000), ("s", 1000), ("ms", 1),
  ]

  static func read(_ text: String) -> Duration? {
    let (number, unit) = splitUnit(text)
    guard let number, let milliseconds = units.first(where: { $0.name == unit })?.milliseconds else { return nil }
    let (span, overflow) = number.multipliedReportingOverflow(by: milliseconds)
    return overflow ? nil : .milliseconds(span)
  }

  static func text(_ span: Duration) -> String {
    let milliseconds = Int(span / .milliseconds(1))
    let unit = units.first { milliseconds >= $0.milliseconds && milliseconds.isMultiple(of: $0.milliseconds) }
    return unit.map { "\(milliseconds / $0.milliseconds)\($0.name)" } ?? "0s"
  }
}

/// Digits and what follows them; no number when there are no digits or too many.
private func splitUnit(_ text: String) -> (number: Int?, unit: Substring) {
  let digits = text.prefix { $0.isASCII && $0.isNumber }
  return (Int(digits), text.dropFirst(digits.count))
}
