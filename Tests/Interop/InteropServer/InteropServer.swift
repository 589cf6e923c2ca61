import ArgumentParser
import EventLoop
import GRPC
import InteropMessages
import TLS

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// The server of gRPC's interoperability tests, on the runtime that segmentd has.
///
/// Prints `listening on HOST:PORT` when it is ready; SIGTERM and SIGINT end it with exit code 0 once its calls are done.
@main
struct InteropServer: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "segmentd-interop", abstract: "Serve grpc.testing.TestService to interoperability tests.")

  @Option(help: "The port to listen on; 0 lets the system choose one.")
  var port: UInt16 = 10000
  @Option(help: "The address to listen on.")
  var host = "0.0.0.0"
  @Option(help: "Event loops, each a thread.")
  var loops = 1

  @Option(name: .customLong("use_tls"), help: "true or false.")
  var usesTLS = false
  @Option(name: .customLong("tls_cert_file"), help: "The server's certificate, in PEM.")
  var certificate: String?
  @Option(name: .customLong("tls_key_file"), help: "Its key; the certificate's file unless given.")
  var key: String?

  // Official flags of other servers, which runners pass to all.
  @Option(name: .customLong("use_alts"), help: .hidden)
  var usesALTS = false
  @Option(name: .customLong("alts_handshaker_service_address"), help: .hidden)
  var altsHandshaker = ""
  @Option(name: .customLong("custom_credentials_type"), help: .hidden)
  var credentials = ""

  static func main() {
    let words = Array(CommandLine.arguments.dropFirst())
    main(InteropFlags.completed(words, booleans: ["--use_tls", "--use_alts"]))
  }

  func validate() throws {
    guard !usesTLS || certificate != nil else {
      throw ValidationError(
        "--use_tls needs --tls_cert_file and --tls_key_file: the certificate of gRPC's tests is not built in. Pass "
          + "src/core/tsi/test_creds/server1.pem and server1.key of the repository grpc/grpc, or your own.")
    }
    guard !usesALTS, credentials.isEmpty else {
      throw ValidationError("Only plain connections and --use_tls are supported.")
    }
    guard (1...64).contains(loops) else { throw ValidationError("--loops is 1 to 64.") }
  }

  func run() throws {
    let endpoint = Endpoint(host: host, port: port)
    let first = try EventLoop(name: "loop 0")
    let others = try (1..<max(loops, 1)).map { try EventLoop(name: "loop \($0)") }
    let threads = try others.map { try $0.start() }
    var configuration = ServerConfiguration()
    if usesTLS, let certificate {
      configuration.tls = try TLSServerIdentity(.init(certificate: certificate, key: key ?? certificate))
    }
    first.execute { [configuration] in first.spawn { await Self.serve(endpoint, configuration, on: [first] + others) } }
    first.run()
    for thread in threads { thread.join() }
  }

  private static func serve(
    _ endpoint: Endpoint, _ configuration: ServerConfiguration, on loops: [EventLoop]
  ) async {
    do {
      let stop = Promise<Void>(on: loops[0])
      let signals = [SIGTERM, SIGINT].map { SignalWatcher($0, on: loops[0]) { stop.succeed(()) } }
      let server = try await GRPCServer(at: endpoint, on: loops, configuration: configuration) { _ in
        TestServiceHandlers().router()
      }
      print("listening on \(server.address)")
      fflush(nil)
      try await stop.value()
      withExtendedLifetime(signals) {}
      await server.shutDown(grace: .seconds(5))
      for loop in loops { loop.stop() }
    } catch {
      print("segmentd-interop: \(error)")
      stopProcess()
    }
  }
}

/// `exit` of the C library, where ParsableCommand has a function of that name.
private func stopProcess() -> Never { exit(1) }
