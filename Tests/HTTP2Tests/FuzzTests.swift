import EventLoop
import HTTP2
import TestSupport
import Testing

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Random and broken bytes for both roles: whatever comes, a session answers or throws, and its streams end once.
/// `SEGMENTD_FUZZ_SEED` replays a run, `SEGMENTD_FUZZ_RUNS` makes it longer.
@Suite struct FuzzTests {
  private static func setting(_ name: String) -> UInt64? { getenv(name).flatMap { UInt64(String(cString: $0)) } }
  private static let seed = setting("SEGMENTD_FUZZ_SEED") ?? UInt64.random(in: 0 ... .max)
  private static let runs = Int(setting("SEGMENTD_FUZZ_RUNS") ?? 20_000)

  @Test("a session survives any bytes", arguments: [Session.Role.server, .client])
  func anyBytes(_ role: Session.Role) throws {
    print("fuzz \(role): SEGMENTD_FUZZ_SEED=\(Self.seed)")
    var random = SplitMix(seed: Self.seed &+ (role == .server ? 1 : 2))
    let good = try Conversation(role)
    for _ in 0..<Self.runs { try run(role, good, &random) }
  }

  /// One session: a good beginning, then what the chance brings.
  private func run(_ role: Session.Role, _ good: Conversation, _ random: inout SplitMix) throws {
    let recorders = Recorders()
    let session = try Session(role, configuration: .init(), on: good.loop) { stream in
      let recorder = recorders.make()
      stream.delegate = recorder
      recorder.onHeadersEnd = { _ in
        stream.respond([":status": "200"])
        stream.write { $0 += [1, 2, 3] }
        stream.finish(trailers: ["grpc-status": "0"])
      }
    }
    if role == .client {
      for _ in 0..<3 {
        let stream = try session.request(SessionPair.request, endStream: false, delegate: recorders.make())
        stream.write { $0 += [1, 2, 3] }
        stream.finish()
      }
    }
    var sink: [UInt8] = []
    for piece in pieces(good, &random) {
      do { try piece.withUnsafeBytes { try session.receive($0) } } catch { break }
      sink.removeAll(keepingCapacity: true)
      try session.gather(into: &sink, limit: 1 << 20)
      if random.chance(20) { recorders.all.randomElement(using: &random)?.stream?.reset(.cancel) }
    }
    session.connectionLost()
    #expect(session.streamCount == 0)
    for recorder in recorders.all { #expect(recorder.closed.count == 1) }
  }

  /// The good bytes, cut, with bits turned, frames repeated, dropped, swapped or made up.
  private func pieces(_ good: Conversation, _ random: inout SplitMix) -> [[UInt8]] {
    var frames = good.frames
    for _ in 0..<Int.random(in: 0...6, using: &random) {
      let index = frames.indices.randomElement(using: &random) ?? 0
      switch Int.random(in: 0..<7, using: &random) {
      case 0: frames.insert(frames[index], at: index)
      case 1: if frames.count > 1 { frames.remove(at: index) }
      case 2: frames.swapAt(index, frames.indices.randomElement(using: &random) ?? 0)
      case 3: frames.insert(madeUp(&random), at: index)
      case 4: frames[index] = Array(frames[index].dropLast(Int.random(in: 0...8, using: &random)))
      default:
        guard let at = frames[index].indices.randomElement(using: &random) else { continue }
        frames[index][at] = UInt8.random(in: 0...255, using: &random)
      }
    }
    if random.chance(30) { return [frames.flatMap { $0 }] }
    return frames
  }

  private func madeUp(_ random: inout SplitMix) -> [UInt8] {
    let count = Int.random(in: 0...60, using: &random)
    let stream = UInt8.random(in: 0...9, using: &random)
    let kind = UInt8.random(in: 0...10, using: &random)
    let payload = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
    return [0, 0, UInt8(count), kind, UInt8.random(in: 0...63, using: &random), 0, 0, 0, stream] + payload
  }
}

private final class Recorders {
  private(set) var all: [Recorder] = []

  func make() -> Recorder {
    let recorder = Recorder()
    all.append(recorder)
    return recorder
  }
}

/// What a well-behaved peer of a role says, frame by frame (the first one is the preface, when there is one).
private struct Conversation {
  let loop: EventLoop
  let frames: [[UInt8]]

  /// - Parameter role: The side that hears it.
  init(_ role: Session.Role) throws {
    loop = try EventLoop(name: "not running")
    let pair = try SessionPair { recorder in
      recorder.stream?.respond([":status": "200", "content-type": "application/grpc"])
      recorder.stream?.write { $0 += [UInt8](repeating: 5, count: 100) }
      recorder.stream?.finish(trailers: ["grpc-status": "0"])
    }
    var heard: [UInt8] = []
    for _ in 0..<3 {
      let stream = try pair.client.request(SessionPair.request, endStream: false, delegate: Recorder())
      stream.write { $0 += [1, 2, 3, 4, 5, 6, 7, 8] }
      stream.finish()
    }
    while true {
      var there: [UInt8] = []
      var back: [UInt8] = []
      try pair.client.gather(into: &there, limit: .max)
      try there.withUnsafeBytes { try pair.server.receive($0) }
      try pair.server.gather(into: &back, limit: .max)
      try back.withUnsafeBytes { try pair.client.receive($0) }
      heard += role == .server ? there : back
      if there.isEmpty && back.isEmpty { break }
    }
    frames = Self.cut(heard, preface: role == .server ? 24 : 0)
  }

  private static func cut(_ bytes: [UInt8], preface: Int) -> [[UInt8]] {
    var frames: [[UInt8]] = preface > 0 ? [Array(bytes[..<preface])] : []
    var rest = bytes[preface...]
    while rest.count >= 9 {
      let size = 9 + rest.prefix(3).reduce(0) { $0 << 8 | Int($1) }
      frames.append(Array(rest.prefix(size)))
      rest = rest.dropFirst(size)
    }
    return frames
  }
}
