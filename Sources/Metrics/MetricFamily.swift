/// What one metric is: its name and meaning, as Prometheus wants to know them.
package struct MetricFamily: Sendable {
  package enum Kind: String, Sendable {
    /// Only grows; its name ends in `_total`.
    case counter
    case gauge
    case histogram
  }

  /// What two loops' values of the same labels come to.
  package enum Merging: Sendable {
    case sum, most
  }

  package let name: String
  package let help: String
  package let kind: Kind
  package let merging: Merging

  /// - Parameters:
  ///   - name: Letters, digits and underscores, with its base unit: `_seconds`, `_bytes`.
  ///   - help: One sentence without its full stop.
  package init(_ name: String, _ kind: Kind, _ help: String, merging: Merging = .sum) {
    self.name = name
    self.kind = kind
    self.help = help
    self.merging = merging
  }
}
