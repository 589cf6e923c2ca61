/// What was counted up to one moment: each loop fills in a set of its own, and those of all loops are merged for a scrape.
///
/// Nothing is registered anywhere and nothing is shared: whoever counts something keeps plain numbers and puts them into a set
/// when asked.
package struct MetricSet: Sendable {
  enum Value: Sendable {
    case number(Double)
    case histogram(Histogram)
  }

  struct Family: Sendable {
    let family: MetricFamily
    /// By their labels, written as Prometheus does.
    var samples: [String: Value] = [:]
  }

  /// In the order in which they were first named.
  private(set) var families: [Family] = []
  private var places: [String: Int] = [:]

  package init() {}

  /// Adds a number to the family's sample with these labels.
  package mutating func add(
    _ family: MetricFamily, _ value: some BinaryInteger, _ labels: KeyValuePairs<String, String> = [:]
  ) {
    add(family, .number(Double(value)), Self.text(labels))
  }

  /// Adds a number to the family's sample with these labels.
  package mutating func add(
    _ family: MetricFamily, _ value: Double, _ labels: KeyValuePairs<String, String> = [:]
  ) {
    add(family, .number(value), Self.text(labels))
  }

  /// Adds observations to the family's sample with these labels.
  package mutating func add(
    _ family: MetricFamily, _ histogram: Histogram, _ labels: KeyValuePairs<String, String> = [:]
  ) {
    add(family, .histogram(histogram), Self.text(labels))
  }

  /// Takes another loop's numbers in.
  package mutating func merge(_ other: MetricSet) {
    for entry in other.families {
      for (labels, value) in entry.samples { add(entry.family, value, labels) }
    }
  }

  private mutating func add(_ family: MetricFamily, _ value: Value, _ labels: String) {
    let place = place(of: family)
    switch (families[place].samples[labels], value) {
    case (nil, _):
      families[place].samples[labels] = value
    case (.number(let old)?, .number(let new)):
      families[place].samples[labels] = .number(family.merging == .sum ? old + new : max(old, new))
    case (.histogram(var old)?, .histogram(let new)):
      old.add(new)
      families[place].samples[labels] = .histogram(old)
    default: break
    }
  }

  private mutating func place(of family: MetricFamily) -> Int {
    if let place = places[family.name] { return place }
    places[family.name] = families.count
    families.append(Family(family: family))
    return families.count - 1
  }

  private static func text(_ labels: KeyValuePairs<String, String>) -> String {
    labels.map { "\($0.key)=\"\(escaped($0.value))\"" }.joined(separator: ",")
  }

  private static func escaped(_ value: String) -> String {
    value.reduce(into: "") { text, character in
      switch character {
      case "\\": text += "\\\\"
      case "\"": text += "\\\""
      case "\n", "\r\n": text += "\\n"
      default: text.append(character)
      }
    }
  }
}
