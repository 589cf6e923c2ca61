extension MetricSet {
  /// What a scraper is told about `text`.
  package static let contentType = "text/plain; version=0.0.4; charset=utf-8"

  /// Prometheus' text format (Exposition formats, "Text-based format", version 0.0.4).
  package var text: String {
    var text = ""
    for entry in families {
      let name = entry.family.name
      text += "# HELP \(name) \(entry.family.help)\n# TYPE \(name) \(entry.family.kind.rawValue)\n"
      for (labels, value) in entry.samples.sorted(by: { $0.key < $1.key }) {
        switch value {
        case .number(let number): text += "\(name)\(Self.braced(labels)) \(Self.text(number))\n"
        case .histogram(let histogram): Self.write(histogram, name, labels, to: &text)
        }
      }
    }
    return text
  }

  private static func write(_ histogram: Histogram, _ name: String, _ labels: String, to text: inout String) {
    let prefix = labels.isEmpty ? "" : "\(labels),"
    for (bound, count) in histogram.cumulative {
      text += "\(name)_bucket{\(prefix)le=\"\(self.text(bound))\"} \(count)\n"
    }
    text += "\(name)_sum\(braced(labels)) \(self.text(Double(histogram.sum) / 1e9))\n"
    text += "\(name)_count\(braced(labels)) \(histogram.count)\n"
  }

  private static func braced(_ labels: String) -> String { labels.isEmpty ? "" : "{\(labels)}" }

  private static func text(_ number: Double) -> String {
    if number == .infinity { return "+Inf" }
    if number == -.infinity { return "-Inf" }
    if number.isNaN { return "NaN" }
    // Whole numbers without a fraction or an exponent, as long as a Double holds them exactly.
    return number.magnitude < 9e15 && number == number.rounded(.towardZero) ? "\(Int64(number))" : "\(number)"
  }
}
