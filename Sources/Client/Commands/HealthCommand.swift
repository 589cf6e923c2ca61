import ArgumentParser
import Proto

struct HealthCommand: ClientCommand {
  static let configuration = CommandConfiguration(
    commandName: "health", abstract: "Ask whether the server takes calls; exits with 69 when it does not.",
    discussion: "segctl health --timeout 2s")

  @Argument(help: "One service, such as segmentation.v1.AuditService; the server as a whole when left out.")
  var service = ""
  @OptionGroup var output: OutputOptions
  @OptionGroup var connectionOptions: ConnectionOptions

  func run(on connection: Connection) async throws -> ExitStatus {
    let response = try await connection.unary(Health.Methods.check, HealthCheckRequest(service: service))
    let record = HealthRecord(service: service, status: response.status.name)
    try await output.format.print(one: record, to: .standardOutput(on: connection.loop))
    return response.status == .serving ? .success : .unavailable
  }
}

struct HealthRecord: Record {
  static let columns: [Column] = ["service", "status"]

  let service: String
  let status: String

  var cells: [String] { [service.isEmpty ? "(server)" : service, status] }
}

struct VersionCommand: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "version", abstract: "Print the version of segctl.")

  func run() {
    print("segctl \(Version.current)")
  }
}
