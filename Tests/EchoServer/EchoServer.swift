import EventLoop
import GRPC
import TLS

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// `EchoServer [HOST:PORT] [LOOPS] [CERTIFICATE KEY] [LIMIT=VALUE...]`: a gRPC server without a schema, for foreign clients and load
/// generators.
///
/// Prints `listening on HOST:PORT` when it is ready; SIGTERM and SIGINT end it with exit code 0 once its calls are done.
@main
struct EchoServer {
  static func main() {
    DescriptorLimit.raise()
    do {
      let arguments = CommandLine.arguments.dropFirst()
      let endpoint = try Endpoint(arguments.first ?? "127.0.0.1:0")
      let loops = try (0..<(arguments.dropFirst().first.flatMap { Int($0) } ?? 1)).map {
        try EventLoop(name: "loop \($0)")
      }
      guard let first = loops.first else { return }
      let others = try loops.dropFirst().map { try $0.start() }
      let extra = Array(arguments.dropFirst(2))
      let files = extra.filter { !$0.contains("=") }
      var limits = try EchoLimits(extra.filter { $0.contains("=") })
      if files.count == 2 {
        limits.configuration.tls = try TLSServerIdentity(.init(certificate: files[0], key: files[1]))
      }
      first.execute { [limits] in first.spawn { await serve(endpoint, on: loops, limits) } }
      first.run()
      for thread in others { thread.join() }
    } catch {
      fail(error)
    }
  }

  private static func serve(
    _ endpoint: Endpoint, on loops: [EventLoop], _ limits: EchoLimits
  ) async {
    do {
      let stop = Promise<Void>(on: loops[0])
      let signals = [SIGTERM, SIGINT].map { SignalWatcher($0, on: loops[0]) { stop.succeed(()) } }
      let current = CurrentServer()
      let server = try await GRPCServer(at: endpoint, on: loops, configuration: limits.configuration) { _ in
        EchoService.router(current)
      }
      current.server = server
      print("listening on \(server.address)")
      fflush(nil)
      try await stop.value()
      withExtendedLifetime(signals) {}
      await server.shutDown(grace: limits.grace)
      // Its routes hold it.
      current.server = nil
      for loop in loops { loop.stop() }
    } catch {
      fail(error)
    }
  }

  private static func fail(_ error: any Error) -> Never {
    print("EchoServer: \(error)")
    exit(1)
  }
}
