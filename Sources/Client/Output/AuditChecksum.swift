import Digest

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// What lies beside a finished export as `FILE.sha256`, to check the file by without the server: a line as `sha256sum --check`
/// reads it, below comments that say how much there is.
///
///     # segctl audit stream
///     # records 3
///     # bytes 162
///     5f3c...  audit.csv
struct AuditChecksum: Hashable, Sendable {
  private static let title = "# segctl audit stream"

  /// nil when somebody else made the checksum.
  var count: Int64?
  /// Bytes; nil for the whole file.
  var length: Int64?
  /// SHA-256 of the file's bytes, in hexadecimal.
  var digest: String

  /// - Returns: nil when it is not such a file.
  init?(_ text: String) {
    var count: Int64?
    var length: Int64?
    var digest: Substring?
    for line in text.split(separator: "\n") {
      let words = line.split(separator: " ", maxSplits: 2)
      if words.count == 3, words[0] == "#" {
        if words[1] == "records" { count = Int64(words[2]) }
        if words[1] == "bytes" { length = Int64(words[2]) }
      } else if !line.hasPrefix("#"), let first = words.first {
        guard digest == nil else { return nil }
        digest = first
      }
    }
    guard let digest, Self.isDigest(digest) else { return nil }
    self.init(count: count, length: length, digest: digest.lowercased())
  }

  init(count: Int64?, length: Int64?, digest: String) {
    self.count = count
    self.length = length
    self.digest = digest
  }

  /// As a file beside the one of that name.
  func text(of name: String) -> String {
    var lines = [Self.title]
    if let count { lines.append("# records \(count)") }
    if let length { lines.append("# bytes \(length)") }
    return (lines + ["\(digest)  \(name)", ""]).joined(separator: "\n")
  }

  static func isDigest(_ text: some StringProtocol) -> Bool {
    text.utf8.count == 2 * SHA256.size && text.allSatisfy(\.isHexDigit)
  }

  // MARK: Files

  static func path(of file: String) -> String { file + ".sha256" }

  /// Writes it beside the file, on the disk.
  /// - Throws: `Failure`
  func write(beside file: String) throws(Failure) {
    let name = file.split(separator: "/").last.map(String.init) ?? file
    let code = replaceFile(Self.path(of: file), Array(text(of: name).utf8))
    guard code == 0 else { throw Failure(.outputFailed, "cannot write \(Self.path(of: file)): \(reason(code))") }
  }

  /// What is beside a file that is about to change speaks of another one.
  static func remove(beside file: String) {
    unlink(path(of: file))
  }

  /// Whether a file can have one: a pipe or a device has none.
  static func isPossible(for file: String) -> Bool {
    var status = stat()
    return stat(file, &status) != 0 || status.st_mode & S_IFMT == S_IFREG
  }
}
