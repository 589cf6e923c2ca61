import Contract
import Proto
import Testing

@Suite struct AuditLineTests {
  private func line(
    _ user: Int64 = 1, _ slug: String = "S", _ action: AuditAction = .assign, _ time: ProtoTimestamp? = nil
  ) -> String {
    var writer = AuditLine()
    var bytes: [UInt8] = []
    writer.append(
      AuditRecord(userID: user, segmentSlug: slug, action: action, effectiveTime: time), to: &bytes)
    return String(decoding: bytes, as: UTF8.self)
  }

  @Test(
    "numbers of every length are written in full",
    arguments: [0, 1, 9, 10, 99, 100, 101, 12_345, 999_999, 1_000_000, 10_203_040_506, .max, .min, -1, -10] as [Int64])
  func numbers(_ number: Int64) {
    #expect(line(number) == "\(number),S,ASSIGN,\n")
  }

  @Test("every power of ten and its neighbours are written in full")
  func powers() {
    var power: Int64 = 1
    for _ in 0..<18 {
      power *= 10
      for number in [power - 1, power, power + 1, -power] { #expect(line(number) == "\(number),S,ASSIGN,\n") }
    }
  }

  @Test("each action has its name; one that the protos do not know is its number")
  func actions() {
    let written = [AuditAction.assign, .deprive, .renew, AuditAction(rawValue: 77)].map { line(1, "S", $0) }
    #expect(written == ["1,S,ASSIGN,\n", "1,S,DEPRIVE,\n", "1,S,RENEW,\n", "1,S,77,\n"])
  }

  @Test("a stamp has six digits and is in UTC, in every year that a timestamp can have")
  func stamps() {
    let times: [(Int64, Int32, String)] = [
      (0, 0, "1970-01-01T00:00:00.000000Z"), (1_714_564_800, 1_000, "2024-05-01T12:00:00.000001Z"),
      (1_709_164_800, 999_999_999, "2024-02-29T00:00:00.999999Z"), (-1, 120_000_000, "1969-12-31T23:59:59.120000Z"),
      (-62_135_596_800, 0, "0001-01-01T00:00:00.000000Z"), (253_402_300_799, 0, "9999-12-31T23:59:59.000000Z"),
    ]
    for (seconds, nanos, text) in times {
      #expect(line(1, "S", .assign, ProtoTimestamp(seconds: seconds, nanos: nanos)) == "1,S,ASSIGN,\(text)\n")
      #expect(StampFormatter.string(ProtoTimestamp(seconds: seconds, nanos: nanos)) == text)
    }
  }

  @Test("instants far beyond a timestamp's range and negative nanoseconds, as a peer may send them, harm nothing")
  func beyond() {
    for seconds in [Int64.max, .min, 1 << 50] {
      #expect(line(1, "S", .assign, ProtoTimestamp(seconds: seconds, nanos: .min)).hasSuffix("Z\n"))
    }
  }

  @Test("slugs of any length are written whole", arguments: [0, 1, 128, 4096, 1 << 20])
  func slugs(_ count: Int) {
    let slug = String(repeating: "s", count: count)
    #expect(line(7, slug) == "7,\(slug),ASSIGN,\n")
  }
}
