import Testing

@testable import Client

@Suite struct AuditCheckpointTests {
  private var checkpoint: AuditCheckpoint {
    var checkpoint = AuditCheckpoint(request: "00ff", digest: "beef")
    checkpoint.token = "dG9rZW4"
    checkpoint.length = 1 << 40
    checkpoint.count = 7
    return checkpoint
  }

  @Test("a checkpoint is read as it was written")
  func roundTrip() {
    #expect(AuditCheckpoint(checkpoint.text) == checkpoint)
    let first = AuditCheckpoint(request: "00", digest: "")
    #expect(AuditCheckpoint(first.text) == first)
  }

  @Test("half a checkpoint is none")
  func cut() {
    for end in 0..<checkpoint.text.utf8.count {
      #expect(AuditCheckpoint(String(checkpoint.text.prefix(end))) == nil)
    }
  }

  @Test("numbers below zero are none", arguments: ["length -1", "count -1", "length x"])
  func negative(line: String) {
    let name = line.prefix { $0 != " " }
    let lines = checkpoint.text.split(separator: "\n", omittingEmptySubsequences: false)
    let spoilt = lines.map { $0.hasPrefix("\(name) ") ? Substring(line) : $0 }.joined(separator: "\n")
    #expect(AuditCheckpoint(spoilt) == nil)
  }
}
