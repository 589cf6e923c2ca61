import Digest

/// The link of a report: whoever has it may fetch the report until it expires, and nobody can make up another.
///
///     BASE/reports/ID.csv?expires=SECONDS&signature=HMAC-SHA256
enum ReportLink {
  static let prefix = "/reports/"

  /// What a link turns out to be.
  enum Verdict: Equatable {
    case good(fileName: String)
    case forged
    case expired
  }

  /// - Parameter expiry: Seconds since 1970.
  static func url(base: String, fileName: String, expiry: Int64, key: [UInt8]) throws(SHA256.Unavailable) -> String {
    let signature = hex(try code(fileName, expiry, key))
    return "\(base)\(prefix)\(fileName)?expires=\(expiry)&signature=\(signature)"
  }

  /// - Parameters:
  ///   - path, query: As they came.
  ///   - now: Seconds since 1970.
  static func verify(path: String, query: String, key: [UInt8], now: Int64) throws(SHA256.Unavailable) -> Verdict {
    let fileName = String(path.dropFirst(prefix.count))
    let values = query.split(separator: "&").reduce(into: [Substring: Substring]()) { values, pair in
      let parts = pair.split(separator: "=", maxSplits: 1)
      if parts.count == 2 { values[parts[0]] = parts[1] }
    }
    guard path.hasPrefix(prefix), isFileName(fileName), let expiry = values["expires"].flatMap({ Int64($0) }),
      let signature = values["signature"].flatMap({ bytes($0) }),
      HMAC.areEqual(try code(fileName, expiry, key), signature)
    else { return .forged }
    return expiry > now ? .good(fileName: fileName) : .expired
  }

  static func contentType(of fileName: String) -> String {
    if fileName.hasSuffix(".gz") { return "application/gzip" }
    return fileName.hasSuffix(".csv") ? "text/csv; charset=utf-8" : "application/x-ndjson"
  }

  private static func code(
    _ fileName: String, _ expiry: Int64, _ key: [UInt8]
  ) throws(SHA256.Unavailable) -> [UInt8] {
    try HMAC.code(of: Array("segmentd report\n\(fileName)\n\(expiry)".utf8), key: key)
  }

  /// An id and an ending: nothing that could lead out of the directory.
  private static func isFileName(_ name: String) -> Bool {
    let parts = name.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
    return parts.count == 2 && parts[0].utf8.count == 32 && parts[0].utf8.allSatisfy(isHexadecimal)
      && ["csv", "csv.gz", "jsonl", "jsonl.gz"].contains(parts[1])
  }

  static func isHexadecimal(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte)
  }

  static func hex(_ bytes: [UInt8]) -> String {
    let digits = Array("0123456789abcdef".utf8)
    return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
  }

  private static func bytes(_ hex: Substring) -> [UInt8]? {
    let digits = Array(hex.utf8)
    guard digits.count == 2 * SHA256.size, digits.allSatisfy(isHexadecimal) else { return nil }
    func value(_ digit: UInt8) -> UInt8 {
      digit < UInt8(ascii: "a") ? digit - UInt8(ascii: "0") : digit - UInt8(ascii: "a") + 10
    }
    return stride(from: 0, to: digits.count, by: 2).map { value(digits[$0]) << 4 | value(digits[$0 + 1]) }
  }
}
