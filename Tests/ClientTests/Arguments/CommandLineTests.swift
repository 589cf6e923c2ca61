import ArgumentParser
import EventLoop
import GRPC
import Proto
import Testing

@testable import Client

@Suite struct CommandLineTests {
  private func parse<Command: ParsableCommand>(_ type: Command.Type = Command.self, _ line: String) throws -> Command {
    let parsed = try Segctl.parseAsRoot(line.split(separator: " ").map(String.init))
    return try #require(parsed as? Command)
  }

  @Test("an update takes assignments with instants, durations and neither, and removals")
  func update() throws {
    let command = try parse(
      UserCommand.Update.self,
      "user update 42 --assign A --assign B=7d --assign id:9=2026-05-01T12:00:00Z --remove C --remove id:3 "
        + "--if-present replace --if-missing ignore --create-user --request-id r1 --validate-only -o json")
    #expect(command.id == 42)
    #expect(
      command.assign.map(\.assignment) == [
        SegmentAssignment(segment: .init(segment: .slug("A"))),
        SegmentAssignment(segment: .init(segment: .slug("B")), expiry: .ttl(.init(seconds: 604_800, nanos: 0))),
        SegmentAssignment(
          segment: .init(segment: .id(9)), expiry: .expiresAt(.init(seconds: 1_777_636_800, nanos: 0))),
      ])
    #expect(command.remove.map(\.selector) == [.init(segment: .slug("C")), .init(segment: .id(3))])
    #expect(command.ifPresent == .replace)
    #expect(command.ifMissing == .ignore)
    #expect(command.createUser && command.change.validateOnly)
    #expect(command.change.requestID == "r1")
    #expect(command.output.format == .json)
  }

  @Test("an audit stream takes each filter more than once")
  func audit() throws {
    let command = try parse(
      AuditCommand.Stream.self,
      "audit stream --user 1 --user 2 --segment A --action assign --action renew --cause segment-deleted --from 2026-05-01 "
        + "-o jsonl --output F")
    #expect(command.user == [1, 2])
    #expect(command.action.map(\.value) == [.assign, .renew])
    #expect(command.cause.map(\.value) == [.segmentDeleted])
    #expect(command.from?.start == .startTime(ProtoTimestamp(seconds: 1_777_593_600, nanos: 0)))
    #expect(try parse(AuditCommand.Stream.self, "audit stream --from now").from?.start == .startPosition(.now))
    #expect(command.format == .jsonl)
    #expect(command.output == "F")
  }

  @Test(
    "where the server is may be said before the command, behind it and at the end",
    arguments: [
      "--address h:1 --timeout 2s segment get A", "segment --address h:1 get --timeout 2s A",
      "segment get A --address h:1 --timeout 2s", "segment get A --server h:1 --timeout 2s",
    ])
  func connection(_ line: String) throws {
    let command = try parse(SegmentCommand.Get.self, line)
    #expect(command.connectionOptions.address == Target(Endpoint(host: "h", port: 1)))
    #expect(command.connectionOptions.timeout == .seconds(2))
    #expect(command.segment.selector == .init(segment: .slug("A")))
  }

  @Test(
    "a command line that makes no sense ends with 64",
    arguments: [
      "user update 42", "user update x --assign A", "user update 1 --assign A=soon", "user update 1 --assign A=",
      "user create", "user create one", "user segments 1 -", "segment create", "segment list -o xml",
      "audit stream -o json", "audit stream --action unspecified", "audit stream --from yesterday",
      "health --address nowhere", "health --timeout 5", "nonsense", "segment get id:x",
      "import memberships f --if-present perhaps", "audit stream --from 2026-05-02 --to 2026-05-01",
    ])
  func usage(_ line: String) throws {
    do {
      _ = try Segctl.parseAsRoot(line.split(separator: " ").map(String.init))
      Issue.record("it was taken")
    } catch {
      #expect(Segctl.exitCode(for: error).rawValue == ExitStatus.usage.rawValue)
    }
  }

  @Test(
    "a word that is no command is named, with the one that was probably meant",
    arguments: [
      ("segmnt list", "'segmnt' is not a command of segctl; did you mean 'segment'?"),
      ("seg list", "'seg' is not a command of segctl; did you mean 'segment'?"),
      ("--address h:1 segment crate X", "'crate' is not a command of segctl segment; did you mean 'create'?"),
      ("audit consumers delet x", "'delet' is not a command of segctl audit consumers; did you mean 'delete'?"),
      ("user xyzzy", "'xyzzy' is not a command of segctl user; 'segctl user --help' lists them."),
      ("segment get a b", nil), ("segment get a --nonsense", nil), ("user update", nil),
    ] as [(String, String?)])
  func unknown(_ line: String, says text: String?) throws {
    let words = line.split(separator: " ").map(String.init)
    let error = #expect(throws: (any Error).self) { try Segctl.parseAsRoot(words) }
    let message = Segctl.message(for: try #require(error))
    #expect(UnknownCommand(in: words, of: Segctl.self, message: message)?.description == text)
  }

  @Test("every command's help has an example that it takes")
  func examples() throws {
    var pending: [(path: [String], type: any ParsableCommand.Type)] = [([], Segctl.self)]
    while let (path, type) = pending.popLast() {
      pending += type.configuration.subcommands.map { (path + [$0._commandName], $0) }
      guard type.configuration.subcommands.isEmpty, type != VersionCommand.self else { continue }
      let line = (["segctl"] + path).joined(separator: " ")
      let examples = type.configuration.discussion.split(separator: "\n").filter { $0.contains(line) }
      #expect(!examples.isEmpty, "\(line)")
      for example in examples {
        let words = example.split(separator: " ").map { $0.filter { $0 != "\"" && $0 != ")" } }
        let start = try #require(words.firstIndex { $0.hasSuffix("segctl") })
        let end = words[start...].firstIndex { [">", "<", "&&", "|"].contains($0) } ?? words.count
        #expect(throws: Never.self, "\(example)") { try Segctl.parseAsRoot(Array(words[(start + 1)..<end])) }
      }
    }
  }
}
