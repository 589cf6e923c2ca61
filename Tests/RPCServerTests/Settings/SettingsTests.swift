import Foundation
import Testing

@testable import RPCServer

@Suite("Settings") struct SettingsTests {
  private func resolve(
    _ flags: [String: String] = [:], environment: [String: String] = [:], file: String = "/nonexistent/.env"
  ) async throws -> Settings {
    try await Settings.resolve(flags, environment: environment, file: file)
  }

  private func message(
    _ flags: [String: String] = [:], environment: [String: String] = [:], file: String = "/nonexistent/.env"
  ) async -> String? {
    do {
      _ = try await resolve(flags, environment: environment, file: file)
      return nil
    } catch { return "\(error)" }
  }

  private func withFile<R>(_ text: String, _ body: (String) async throws -> R) async throws -> R {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID().uuidString).env").path
    try text.write(toFile: path, atomically: true, encoding: .utf8)
    defer { try? FileManager.default.removeItem(atPath: path) }
    return try await body(path)
  }

  @Test("every default is a value that its own setting takes")
  func defaults() async throws {
    let settings = try await resolve()
    #expect(settings.listen.description == "127.0.0.1:7700")
    #expect(settings.adminListen.description == "127.0.0.1:7701")
    #expect(settings.database == nil)
    #expect(settings.loops == nil)
    #expect(settings.maxMessageSize == 4 << 20)
    #expect(settings.maxMetadataSize == 16 << 10)
    #expect(settings.idempotencyRetention == .seconds(86400))
  }

  @Test("flags win over the environment, the environment over the file, the file over the defaults")
  func order() async throws {
    try await withFile("# mine\nSEGMENTD_LISTEN=127.0.0.1:1\nSEGMENTD_LOOPS=3\nSEGMENTD_DATA_DIR=\"/a b\"\n") { file in
      let environment = ["SEGMENTD_LISTEN": "127.0.0.1:2", "SEGMENTD_ADMIN_LISTEN": "127.0.0.1:22"]
      let settings = try await resolve(["listen": "127.0.0.1:3"], environment: environment, file: file)
      #expect(settings.listen.port == 3)
      #expect(settings.adminListen.port == 22)
      #expect(settings.loops == 3)
      #expect(settings.dataDirectory == "/a b")
    }
  }

  @Test("an empty variable counts as one that is not there")
  func emptyVariable() async throws {
    #expect(try await resolve(environment: ["SEGMENTD_LISTEN": ""]).listen.port == 7700)
  }

  @Test("a bad value is one line that names the setting, where it came from and what it takes")
  func badValue() async throws {
    #expect(
      await message(["listen": "7700"])
        == "setting listen: '7700' (from --listen) cannot be used; it takes HOST:PORT with a port from 0 (any free one) "
        + "to 65535")
    #expect(
      await message(environment: ["SEGMENTD_LOOPS": "0"])
        == "setting loops: '0' (from SEGMENTD_LOOPS in the environment) cannot be used; it takes 'auto' or a whole number "
        + "from 1 to 256")
    try await withFile("SEGMENTD_LOG_LEVEL=loud") { file in
      #expect(
        await message(file: file)
          == "setting log-level: 'loud' (from SEGMENTD_LOG_LEVEL in \(file)) cannot be used; it takes trace, debug, info, "
          + "notice, warning, error or critical")
    }
  }

  @Test("a bad database URL is refused without printing the password in it")
  func secret() async throws {
    let text = try #require(await message(["database": "mysql://me:hunter2@db/x"]))
    #expect(text.contains("setting database"))
    #expect(!text.contains("hunter2"))
  }

  @Test(
    "sizes outside their bounds, without digits or too large to count are refused",
    arguments: [
      "", "4", "MiB", "1023", "257MiB", "-1", "4 MiB", "99999999999999999999", "9223372036854775807GiB", "٣MiB",
    ])
  func badSize(_ text: String) async {
    #expect(await message(["max-message-size": text]) != nil)
  }

  @Test("sizes take bytes and binary units", arguments: [("1024", 1024), ("64KiB", 65536), ("256MiB", 256 << 20)])
  func size(_ text: String, _ bytes: Int) async throws {
    #expect(try await resolve(["max-message-size": text]).maxMessageSize == bytes)
  }

  @Test("times need a unit and stay inside their bounds", arguments: ["5", "s", "49ms", "2h", "1.5s", "-1s"])
  func badTime(_ text: String) async {
    #expect(await message(["sweep-interval": text]) != nil)
  }

  @Test("times take milliseconds to days")
  func time() async throws {
    #expect(try await resolve(["sweep-interval": "50ms"]).sweepInterval == .milliseconds(50))
    #expect(try await resolve(["idempotency-retention": "7d"]).idempotencyRetention == .seconds(7 * 86400))
    #expect(try await resolve(["shutdown-grace": "0s"]).shutdownGrace == .zero)
  }

  @Test("every setting of the table is a flag of serve and stands in its help")
  func flags() async throws {
    let help = ServeFlagsHelp.helpMessage(columns: 200)
    for entry in SettingsTable.all {
      #expect(help.contains("\(entry.flag) <\(entry.placeholder)>"), "\(entry.name)")
      #expect(help.contains(entry.environment), "\(entry.name)")
      let flags = try ServeFlagsHelp.parse([entry.flag, "x"]).flags
      #expect(flags.given == [entry.name: "x"])
    }
    #expect(Set(SettingsTable.all.map(\.name)).count == SettingsTable.all.count)
  }
}
