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
  var port: UInt16 = 10000
  @Option(
    name: .customLong("test_case"),
    help: "The case: \(InteropCase.allCases.map(\.rawValue).joined(separator: ", ")).")
  var testCase = InteropCase.largeUnary

  @Option(name: .customLong("use_tls"), help: "true or false.")
  var usesTLS = false
  @Option(name: .customLong("ca_file"), help: "The authorities to trust, in PEM; the system's unless given.")
  var authorities: String?
  @Option(
    name: .customLong("server_host_override"),
    help: "What the server's certificate must be for; calls name it as their authority.")
  var serverName = ""

  @Option(
    name: .customLong("use_test_ca"), help: "true or false: trust the authority of --ca_file, which must be given.")
  var usesTestAuthority = false

  @OptionGroup var soak: SoakOptions
  @OptionGroup var official: OfficialFlags

  static func main() {
    let words = Array(CommandLine.arguments.dropFirst())
    main(InteropFlags.completed(words, booleans: ["--use_tls", "--use_test_ca", "--use_alts"]))
  }

  func validate() throws {
    guard !usesTLS || !usesTestAuthority || authorities != nil else {
      throw ValidationError(
        "--use_test_ca needs --ca_file: the authority of gRPC's tests is not built in. Pass src/core/tsi/test_creds/ca.pem of "
          + "the repository grpc/grpc, or the authority of your own server's certificate.")
    }
  }

  func run() throws {
    var configuration = ClientConfiguration()
    if usesTLS { configuration.tls = try TLSContext.client(TLSClientFiles(ca: authorities)) }
    if !serverName.isEmpty { configuration.tlsServerName = serverName }
    var options = CallOptions()
    options.metadata = try official.metadata
    let loop = try EventLoop(name: "client")
    let endpoint = Endpoint(host: host, port: port)
    let outcome = Outcome()
    let soak = Soak(options: soak)
    loop.execute { [configuration, options] in
      loop.spawn { [configuration, options] in
        let channel = Channel(to: endpoint, on: loop, configuration: configuration)
        let calls = InteropCalls(channel: channel, configuration: configuration, options: options)
        do { try await testCase.run(calls, soak: soak) } catch { outcome.error = error }
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
