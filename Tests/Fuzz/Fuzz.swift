import ArgumentParser
import EventLoop
import GRPC
import HTTP2
import TestSupport

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Throws broken conversations at a server in the same process: frames, header lists, metadata and messages.
///
/// The server must answer or close each of them, keep nothing of it, and serve a good call in between. What traps or reads where it
/// must not ends the program; build it with AddressSanitizer. The seed is printed and makes a run the same again.
@main
struct Fuzz: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "segmentd-fuzz")

  @Option(help: "How long to go on.")
  var seconds = 20
  @Option(help: "What the conversations are made from.")
  var seed = UInt64.random(in: 0 ... .max)

  func run() throws {
    print("segmentd-fuzz: --seed \(seed) --seconds \(seconds)")
    fflush(nil)
    let loop = try EventLoop(name: "fuzz")
    let outcome = Outcome()
    loop.execute {
      loop.spawn {
        do { try await Fuzzer(on: loop, seed: self.seed).run(for: .seconds(self.seconds)) } catch {
          outcome.failure = "\(error)"
        }
        loop.stop()
      }
    }
    loop.run()
    if let failure = outcome.failure {
      print("segmentd-fuzz: FAILED with --seed \(seed): \(failure)")
      throw ExitCode(1)
    }
  }
}

/// Confined to the loop that the program runs.
private final class Outcome: @unchecked Sendable {
  var failure: String?
}

/// Confined to its loop.
final class Fuzzer: @unchecked Sendable {
  struct Failure: Error, CustomStringConvertible {
    let description: String
  }

  /// How many connections are open at once.
  private static let width = 20
  private static let patience = Duration.seconds(60)

  private let loop: EventLoop
  private var random: SplitMix
  private var conversations = 0

  init(on loop: EventLoop, seed: UInt64) {
    self.loop = loop
    random = SplitMix(seed: seed)
  }

  func run(for time: Duration) async throws {
    var configuration = ServerConfiguration()
    configuration.maxMessageSize = 100_000
    configuration.http2.maxConcurrentStreams = 4
    let server = try await GRPCServer(
      at: Endpoint(host: "127.0.0.1", port: 0), on: [loop], configuration: configuration
    ) { _ in FuzzService.router() }
    let channel = Channel(to: Endpoint(host: "127.0.0.1", port: UInt16(server.address.port)), on: loop)
    let end = ContinuousClock.now + time
    while ContinuousClock.now < end {
      try await talk(to: server)
      guard try await channel.unary(FuzzService.echo, [1, 2, 3]) == [1, 2, 3] else {
        throw Failure(description: "a good call was answered wrongly")
      }
    }
    channel.close()
    await server.shutDown(grace: .zero)
    print("segmentd-fuzz: \(conversations) conversations, clean")
  }

  /// So many conversations side by side; afterwards nothing of them may be left.
  private func talk(to server: GRPCServer) async throws {
    var peers: [Peer] = []
    for _ in 0..<Self.width {
      let (ours, theirs) = try Descriptor.pair()
      peers.append(Peer(Socket(owning: ours), Conversation(&random).pieces, isWhole: random.chance(30)))
      server.serve(Socket(owning: theirs))
    }
    conversations += peers.count
    while peers.contains(where: { !$0.isDone }) {
      for peer in peers { peer.go(dropping: random.chance(2)) }
      // Lets the loop look at its sockets.
      try await loop.sleep(for: .zero)
    }
    peers = []
    let limit = ContinuousClock.now + Self.patience
    while true {
      let counters = await server.counters
      // The one that is left is that of the good calls.
      if counters.connections <= 1, counters.runningHandlers == 0, counters.waitingHandlers == 0 { return }
      guard ContinuousClock.now < limit else { throw Failure(description: "something is left: \(counters)") }
      try await loop.sleep(for: .zero)
    }
  }
}

/// The client's end of one conversation. It writes piece by piece and reads what comes. Confined to its loop.
private final class Peer {
  private let socket: Socket
  private var pieces: ArraySlice<[UInt8]>
  private var sink = [UInt8](repeating: 0, count: 64 << 10)
  private var turnsLeft = 8
  private(set) var isDone = false

  init(_ socket: Socket, _ pieces: [[UInt8]], isWhole: Bool) {
    self.socket = socket
    self.pieces = isWhole ? [pieces.flatMap { $0 }] : pieces[...]
  }

  /// - Parameter dropping: It goes away in the middle.
  func go(dropping: Bool) {
    guard !isDone else { return }
    do {
      if let piece = pieces.first {
        let written = try piece.withUnsafeBytes { try socket.write($0) }
        if written == piece.count {
          pieces.removeFirst()
        } else {
          pieces[pieces.startIndex] = Array(piece[written...])
        }
      } else {
        turnsLeft -= 1
      }
      while case .bytes = try sink.withUnsafeMutableBytes({ try socket.read(into: $0) }) {}
      isDone = dropping || turnsLeft == 0
    } catch {
      // The server has closed it.
      isDone = true
    }
  }
}
