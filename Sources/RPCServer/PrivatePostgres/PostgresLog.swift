#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// The file that PostgreSQL's output goes to.
final class PostgresLog: Sendable {
  /// A log that has grown beyond this (bytes) is set aside when PostgreSQL starts; one older log is kept.
  private static let limit = 16 << 20

  let path: String
  let file: Int32
  /// What was there before we started.
  private let start: Int

  init(path: String) throws(PrivatePostgresError) {
    if let status = System.status(path), status.st_size > Self.limit { rename(path, "\(path).1") }
    file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
    self.path = path
    start = System.status(path).map { Int($0.st_size) } ?? 0
    try System.check(file, path)
  }

  deinit {
    if file >= 0 { close(file) }
  }

  /// What went wrong since the start: the last line that PostgreSQL called fatal, else the last line at all.
  var complaint: String? {
    System.text(of: path, from: start).flatMap(Self.complaint(in:))
  }

  static func complaint(in text: String) -> String? {
    let lines = text.split(separator: "\n").filter { !$0.allSatisfy(\.isWhitespace) }
    for line in lines.reversed() {
      for word in ["FATAL:", "PANIC:", "initdb: error:"] {
        if let range = line.firstRange(of: word) { return String(line[range.upperBound...].drop { $0 == " " }) }
      }
    }
    return lines.last.map(String.init)
  }
}
