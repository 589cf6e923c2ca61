import Testing

@testable import Metrics

@Suite("Histograms")
struct HistogramTests {
  @Test("an observation is in the first bucket that it does not exceed")
  func buckets() {
    var histogram = Histogram()
    for nanoseconds: UInt64 in [0, 100_000, 100_001, 30_000_000_000, 30_000_000_001, .max] {
      histogram.observe(nanoseconds)
    }
    let counts = histogram.cumulative
    #expect(counts[0].count == 2)
    #expect(counts[1].count == 3)
    #expect(counts[Histogram.bounds.count - 1].count == 4)
    #expect(counts[Histogram.bounds.count].bound == .infinity)
    #expect(counts[Histogram.bounds.count].count == 6)
    #expect(histogram.count == 6)
  }

  @Test("two histograms add up, whichever of them is empty")
  func addition() {
    var one = Histogram()
    one.observe(1)
    one.observe(200_000)
    var other = Histogram()
    other.observe(2)
    var sum = Histogram()
    sum.add(one)
    sum.add(other)
    sum.add(Histogram())
    #expect(sum.count == 3)
    #expect(sum.sum == 200_003)
    #expect(sum.cumulative[0].count == 2)
  }
}
