import ArgumentParser
import EventLoop
import GRPC
import InteropMessages
import TLS

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

  @Option(name: .customLong("use_tls"), help: "true or false.")
  var usesTLS = false
  @Option(name: .customLong("ca_file"), help: "The authorities to trust, in PEM; the system's unless given.")
  var authorities: String?
  @Option(name: .customLong("server_host_override"), help: "What the server's certificate must be for.")
  var serverName: String?

  @Option(
    name: .customLong("use_test_ca"), help: "true or false: trust the authority of --ca_file, which must be given.")
  var usesTestAuthority = false

  static func main() {
    let words = Array(CommandLine.arguments.dropFirst())
    main(InteropFlags.completed(words, booleans: ["--use_tls", "--use_test_ca"]))
  }

  func validate() throws {
    guard !usesTLS || !usesTestAuthority || authorities != nil else {
      throw ValidationError("--use_test_ca needs --ca_file: no authority of a test is built in.")
    }
  }

  func run() throws {
    var configuration = ClientConfiguration()
    if usesTLS { configuration.tls = try TLSContext.client(TLSClientFiles(ca: authorities)) }
    configuration.tlsServerName = serverName
    let loop = try EventLoop(name: "client")
    let endpoint = Endpoint(host: host, port: port)
    let outcome = Outcome()
    loop.execute { [configuration] in
      loop.spawn { [configuration] in
        let channel = Channel(to: endpoint, on: loop, configuration: configuration)
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
