import EventLoop
import GRPC
import Testing

@testable import Client

@Suite struct SettingsTests {
  private func settings(_ arguments: [String], _ environment: [String: String]) async throws -> Settings {
    try await Settings(ConnectionOptions.parse(arguments), environment: environment, file: "/nowhere/.env")
  }

  @Test("a flag wins over the environment, which wins over the default")
  func precedence() async throws {
    let environment = ["SEGCTL_ADDRESS": "[::1]:1", "SEGCTL_TIMEOUT": "2s", "SEGCTL_ACTOR": "robot"]
    let flags = try await settings(["--address", "h:2", "--timeout", "3s", "--actor", "me"], environment)
    #expect(flags.address == Target(Endpoint(host: "h", port: 2)))
    #expect(flags.timeout == .seconds(3))
    #expect(flags.actor == "me")
    let fromEnvironment = try await settings([], environment)
    #expect(fromEnvironment.address == Target(Endpoint(host: "::1", port: 1)))
    #expect(fromEnvironment.timeout == .seconds(2))
    #expect(fromEnvironment.actor == "robot")
    let defaults = try await settings([], ["SEGCTL_ADDRESS": ""])
    #expect(defaults.address == Settings.defaultAddress)
    #expect(defaults.timeout == nil)
    #expect(defaults.actor == Actor.current)
  }

  @Test("a bad setting is one line that names it, and 78")
  func bad() async throws {
    let failure = await #expect(throws: Failure.self) { try await settings([], ["SEGCTL_ADDRESS": "nowhere"]) }
    #expect(failure?.status == .configuration)
    #expect(
      failure?.message == "SEGCTL_ADDRESS in the environment: 'nowhere' is not HOST:PORT with a port from 0 to 65535")
  }

  @Test(
    "an actor that cannot be a header is refused",
    arguments: ["", "line\nfeed", "Zoë", String(repeating: "a", count: 129)])
  func actor(_ text: String) {
    #expect(throws: Actor.Malformed.self) { try Actor.check(text) }
  }
}
