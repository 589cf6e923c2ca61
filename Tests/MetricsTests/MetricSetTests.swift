import Testing

@testable import Metrics

@Suite("Metric sets")
struct MetricSetTests {
  static let calls = MetricFamily("calls_total", .counter, "Calls")
  static let lag = MetricFamily("lag_seconds", .gauge, "Lag", merging: .most)
  static let seconds = MetricFamily("seconds", .histogram, "Seconds")

  @Test("sets of two loops are merged label by label, counters by their sum and what is to be the most by that")
  func merging() {
    var one = MetricSet()
    one.add(Self.calls, 1, ["method": "a"])
    one.add(Self.lag, 0.5)
    var other = MetricSet()
    other.add(Self.calls, 2, ["method": "a"])
    other.add(Self.calls, 4, ["method": "b"])
    other.add(Self.lag, 0.25)
    one.merge(other)
    #expect(
      one.text == """
        # HELP calls_total Calls
        # TYPE calls_total counter
        calls_total{method="a"} 3
        calls_total{method="b"} 4
        # HELP lag_seconds Lag
        # TYPE lag_seconds gauge
        lag_seconds 0.5

        """)
  }

  @Test("a histogram is written with cumulative buckets, its sum in seconds and its count")
  func histograms() {
    var histogram = Histogram()
    histogram.observe(1_500_000)
    histogram.observe(60_000_000_000)
    var set = MetricSet()
    set.add(Self.seconds, histogram, ["code": "OK"])
    let text = set.text
    #expect(text.contains("seconds_bucket{code=\"OK\",le=\"0.001\"} 0\n"))
    #expect(text.contains("seconds_bucket{code=\"OK\",le=\"0.0025\"} 1\n"))
    #expect(text.contains("seconds_bucket{code=\"OK\",le=\"+Inf\"} 2\n"))
    #expect(text.contains("seconds_sum{code=\"OK\"} 60.0015\n"))
    #expect(text.hasSuffix("seconds_count{code=\"OK\"} 2\n"))
  }

  @Test("label values may hold any character")
  func escaping() {
    var set = MetricSet()
    set.add(Self.calls, 1, ["method": "a\"b\\c\nd"])
    #expect(set.text.contains(#"calls_total{method="a\"b\\c\nd"} 1"#))
  }

  @Test(
    "whole numbers are written without a fraction", arguments: [(0.0, "0"), (1e15, "1000000000000000"), (0.1, "0.1")])
  func numbers(_ number: Double, _ text: String) {
    var set = MetricSet()
    set.add(Self.lag, number)
    #expect(set.text.hasSuffix("lag_seconds \(text)\n"))
  }
}
