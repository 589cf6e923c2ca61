import ArgumentParser
import EventLoop
import GRPC

/// The client of gRPC's interoperability tests, on the runtime that segctl has. Exits with 0 when the case passed.
@main
struct InteropClient: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "segmentd-interop-client", abstract: "Run a case of gRPC's interoperability tests against a server.")

  @Option(name: .customLong("server_host"), help: "The server's name or address.")
  var host = "localhost"
  @Option(name: .customLong("server_port"), help: "The server's port.")
  var port: UInt16
  @Option(
    name: .customLong("test_case"),
    help: "The case: \(InteropCase.allCases.map(\.rawValue).joined(separator: ", ")).")
  var testCase: InteropCase

  func run() throws {
    let loop = try EventLoop(name: "client")
    let endpoint = Endpoint(host: host, port: port)
    let outcome = Outcome()
    loop.execute {
      loop.spawn {
        let channel = Channel(to: endpoint, on: loop)
        do { try await testCase.run(InteropCalls(channel: channel)) } catch { outcome.error = error }
        channel.close()
        loop.stop()
      }
    }
    loop.run()
    if let error = outcome.error {
      print("\(testCase.rawValue): \(error)")
      throw ExitCode.failure
    }
    print("\(testCase.rawValue): passed")
  }

  /// Confined to the loop, and read when that has ended.
  private final class Outcome: @unchecked Sendable { var error: (any Error)? }
}

extension InteropCase: ExpressibleByArgument {}
