import ArgumentParser
import Digest
import EventLoop

extension AuditCommand {
  struct Verify: LocalCommand {
    static let configuration = CommandConfiguration(
      abstract: "Check an exported file against its count and SHA-256, without the server.",
      discussion: """
        Reads FILE, CSV or JSON lines, and compares it with FILE.sha256, which a finished export leaves, or with \
        FILE.checkpoint, up to where that has come. With --count or --sha256 it compares the records with what the server \
        said of them, in an AuditEnd or a report. Exits with 3 when something differs.

        segctl audit stream --output audit.csv && segctl audit verify audit.csv
        """)

    @Argument(help: "What segctl audit stream wrote with --output.", completion: .file())
    var file: String
    @Option(help: ArgumentHelp("The file must have this many records.", valueName: "number"))
    var count: Int64?
    @Option(
      name: .customLong("sha256"),
      help: ArgumentHelp(
        "The SHA-256 of the records as CSV lines without header, as the server tells it.", valueName: "hex"))
    var digest: String?
    @OptionGroup var output: OutputOptions

    func validate() throws {
      guard digest.map({ AuditChecksum.isDigest($0) }) ?? true else {
        throw ValidationError("--sha256 takes 64 hexadecimal digits")
      }
    }

    func run(on loop: EventLoop) async throws -> ExitStatus {
      let (checkedBy, expected, limit) = try expectation()
      let found = try await read(limit: limit, on: loop)
      try compare(found, expected, checkedBy)
      let record = VerificationRecord(file: file, found, checkedBy: checkedBy)
      try await output.format.print(one: record, to: .standardOutput(on: loop))
      return .success
    }

    /// What lies beside the file. Behind what a checkpoint speaks of anything may follow.
    private func expectation() throws(Failure) -> (name: String, checksum: AuditChecksum?, limit: Int64) {
      let sum = AuditChecksum.path(of: file)
      if let text = try AuditCheckpoints.contents(sum) {
        guard let checksum = AuditChecksum(text) else { throw Failure(.badInput, "\(sum) has no SHA-256") }
        return (sum, checksum, .max)
      }
      let path = AuditCheckpoints.path(of: file)
      if let text = try AuditCheckpoints.contents(path) {
        guard let point = AuditCheckpoint(text) else { throw Failure(.badInput, "\(path) is not a checkpoint") }
        return (path, AuditChecksum(count: point.count, length: point.length, digest: point.digest), point.length)
      }
      guard count != nil || digest != nil else {
        throw Failure(.noInput, "there is no \(sum) to compare with; give --count or --sha256")
      }
      return ("options", nil, .max)
    }

    private func read(limit: Int64, on loop: EventLoop) async throws -> AuditFileReader.Summary {
      let input = try InputFile(file, on: loop)
      var reader = try AuditFileReader(limit: limit)
      var progress = Progress("reading", of: input.size)
      var done: Int64 = 0
      defer { progress.clear() }
      while let piece = try await input.next() {
        try reader.feed(piece)
        done += Int64(piece.count)
        progress.update(done, count: done, "bytes")
      }
      return try reader.finish()
    }

    private func compare(
      _ found: AuditFileReader.Summary, _ expected: AuditChecksum?, _ name: String
    ) throws(Failure) {
      func check(_ isSame: Bool, _ text: @autoclosure () -> String) throws(Failure) {
        if !isSame { throw Failure(.digestMismatch, "\(file) \(text())") }
      }
      if let expected {
        if let length = expected.length {
          try check(found.length == length, "has \(found.length) bytes, and \(name) says \(length)")
        }
        if let count = expected.count {
          try check(found.count == count, "has \(found.count) records, and \(name) says \(count)")
        }
        try check(found.digest == expected.digest, "has another SHA-256 than \(name) says")
      }
      if let count { try check(found.count == count, "has \(found.count) records, not \(count)") }
      if let digest { try check(found.recordsDigest == digest.lowercased(), "has records with another SHA-256") }
    }
  }
}

/// A file that is what it should be.
struct VerificationRecord: Record {
  static let columns: [Column] = [
    "file", "format", .number("records"), .number("bytes"), "records_sha256", "checked_by",
  ]

  let file: String
  let format: String
  let records: Int64
  let bytes: Int64
  let recordsSha256: String
  let checkedBy: String

  init(file: String, _ found: AuditFileReader.Summary, checkedBy: String) {
    self.file = file
    format = found.format.rawValue
    records = found.count
    bytes = found.length
    recordsSha256 = found.recordsDigest
    self.checkedBy = checkedBy
  }

  var cells: [String] { [file, format, "\(records)", "\(bytes)", recordsSha256, checkedBy] }
}
