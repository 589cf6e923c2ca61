/// How far an export has come, as a small file of lines: the token to go on behind, how long the output is up to there, how many
/// records that are, and the SHA-256 of those bytes.
struct AuditCheckpoint: Hashable, Sendable {
  private static let title = "segctl-audit-checkpoint 1"

  /// What is exported: SHA-256 over the request and the format, in hexadecimal.
  var request: String
  /// Empty before the first batch.
  var token = ""
  /// Bytes.
  var length: Int64 = 0
  var count: Int64 = 0
  /// In hexadecimal.
  var digest: String

  init(request: String, digest: String) {
    self.request = request
    self.digest = digest
  }

  /// - Returns: nil when it is not a checkpoint.
  init?(_ text: String) {
    var fields: [Substring: String] = [:]
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    guard lines.first ?? "" == Self.title, lines.last == "" else { return nil }
    for line in lines.dropFirst().dropLast() {
      guard let space = line.firstIndex(of: " ") else { return nil }
      fields[line[..<space]] = String(line[line.index(after: space)...])
    }
    guard let request = fields["request"], let token = fields["token"], let digest = fields["sha256"],
      let length = fields["length"].flatMap({ Int64($0) }), let count = fields["count"].flatMap({ Int64($0) }),
      length >= 0, count >= 0
    else { return nil }
    self.request = request
    self.token = token
    self.length = length
    self.count = count
    self.digest = digest
  }

  var text: String {
    """
    \(Self.title)
    request \(request)
    token \(token)
    length \(length)
    count \(count)
    sha256 \(digest)

    """
  }
}
