import Proto

/// What an import did, over all its calls.
struct ImportSummary: Record {
  static let columns: [Column] = [
    "lines", "matched", "added", "renewed", "already_there", "users_only", "rejected", "users_created",
    "segments_created", "seconds",
  ].map { .number($0) }

  /// Lines of the file, without the header and empty ones.
  private(set) var lines: Int64 = 0
  private(set) var added: Int64 = 0
  private(set) var renewed: Int64 = 0
  private(set) var alreadyThere: Int64 = 0
  private(set) var usersOnly: Int64 = 0
  private(set) var rejected: Int64 = 0
  private(set) var usersCreated: Int64 = 0
  private(set) var segmentsCreated: Int64 = 0
  /// Lines that the server could take: all but the rejected ones.
  private(set) var matched: Int64 = 0
  var seconds = 0.0

  mutating func add(_ response: ImportMembershipsResponse) {
    lines += response.rows
    added += response.assigned
    renewed += response.renewed
    alreadyThere += response.alreadyPresent
    usersOnly += response.usersOnly
    rejected += response.rejected
    usersCreated += response.usersCreated
    segmentsCreated += response.segmentsCreated
    matched += response.rows - response.rejected
  }

  /// Lines that were never sent.
  mutating func addMalformed(_ count: Int) {
    lines += Int64(count)
    rejected += Int64(count)
  }

  var cells: [String] {
    [lines, matched, added, renewed, alreadyThere, usersOnly, rejected, usersCreated, segmentsCreated].map { "\($0)" }
      + ["\((seconds * 1000).rounded() / 1000)"]
  }
}
