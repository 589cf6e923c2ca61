import Digest

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A link to an object that needs no other permission until it ends: AWS Signature Version 4 in the query ("Authenticating
/// Requests: Using Query Parameters" of the S3 API reference).
struct PresignedLink {
  /// The longest that a service takes, in seconds: 7 days.
  static let longest: Int64 = 604_800

  let address: BucketAddress
  let credentials: BucketCredentials

  /// - Parameters:
  ///   - time: When it begins, seconds since 1970. The same one gives the same link.
  ///   - seconds: How long it is good for, cut to `longest`.
  func url(of name: String, from time: Int64, for seconds: Int64) throws(SHA256.Unavailable) -> String {
    let stamp = Self.stamp(time)
    let day = String(stamp.prefix(8))
    let scope = "\(day)/\(credentials.region)/s3/aws4_request"
    // In the order of their names.
    let query = [
      "X-Amz-Algorithm=AWS4-HMAC-SHA256",
      "X-Amz-Credential=\(AddressEncoding.escaped("\(credentials.keyID)/\(scope)"))",
      "X-Amz-Date=\(stamp)",
      "X-Amz-Expires=\(min(max(1, seconds), Self.longest))",
      "X-Amz-SignedHeaders=host",
    ].joined(separator: "&")
    let request = "GET\n\(address.path)/\(name)\n\(query)\nhost:\(address.host)\n\nhost\nUNSIGNED-PAYLOAD"
    let text = "AWS4-HMAC-SHA256\n\(stamp)\n\(scope)\n\(Self.hex(try Self.digest(request)))"
    let signature = Self.hex(try HMAC.code(of: Array(text.utf8), key: try key(day)))
    return "\(address.url(of: name))?\(query)&X-Amz-Signature=\(signature)"
  }

  /// What this day's requests are signed with.
  private func key(_ day: String) throws(SHA256.Unavailable) -> [UInt8] {
    var key = Array("AWS4\(credentials.secret)".utf8)
    for part in [day, credentials.region, "s3", "aws4_request"] {
      key = try HMAC.code(of: Array(part.utf8), key: key)
    }
    return key
  }

  /// `20130524T000000Z`
  private static func stamp(_ time: Int64) -> String {
    var seconds = time_t(time)
    var parts = tm()
    gmtime_r(&seconds, &parts)
    func digits(_ number: Int32, _ count: Int) -> String {
      let text = "\(number)"
      return String(repeating: "0", count: max(0, count - text.utf8.count)) + text
    }
    let date = digits(parts.tm_year + 1900, 4) + digits(parts.tm_mon + 1, 2) + digits(parts.tm_mday, 2)
    return "\(date)T\(digits(parts.tm_hour, 2))\(digits(parts.tm_min, 2))\(digits(parts.tm_sec, 2))Z"
  }

  private static func digest(_ text: String) throws(SHA256.Unavailable) -> [UInt8] {
    let digest = try SHA256()
    digest.update(Array(text.utf8))
    return digest.finish()
  }

  static func hex(_ bytes: [UInt8]) -> String {
    let digits = Array("0123456789abcdef".utf8)
    return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
  }
}
