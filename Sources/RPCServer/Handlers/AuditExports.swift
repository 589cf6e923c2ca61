import EventLoop

/// The readings of the audit log that go on on one loop: they take turns at a part of the connections, and share an amount of
/// memory. Confined to its loop.
///
/// A turn is one chunk of rows, which are sent while they come and queue up when their reader is slow. So a turn is over as soon as
/// the database has sent the chunk, however slow the reader, and who is waited for has neither a turn nor a connection.
final class AuditExports: @unchecked Sendable {
  /// Bytes that chunks under way may take together, in all calls of the loop; each may take `AuditPace.fewest` rows in any case.
  private static let memory = 8 << 20
  /// What a record takes on the wire, about, in bytes.
  private static let recordBytes = 128

  private let loop: EventLoop
  private let mostTurns: Int
  private var turns = 0
  private var reserved = 0
  private var waiting: [Promise<Void>] = []

  /// - Parameter connections: Those of the loop's pool; half of them are left to others.
  init(on loop: EventLoop, connections: Int) {
    self.loop = loop
    mostTurns = max(1, connections / 2)
  }

  /// Waits for a turn, first come, first served.
  /// - Throws: `CancellationError`
  func beginTurn() async throws {
    if turns < mostTurns && waiting.isEmpty {
      turns += 1
      return
    }
    let promise = Promise<Void>(on: loop)
    waiting.append(promise)
    do { try await promise.value() } catch {
      // Given the turn just when it was cancelled: it is the next one's.
      if !waiting.contains(where: { $0 === promise }) { endTurn() }
      waiting.removeAll { $0 === promise }
      throw error
    }
  }

  func endTurn() {
    guard waiting.isEmpty else { return waiting.removeFirst().succeed(()) }
    turns -= 1
  }

  /// How many rows a chunk may have that would like to have so many; `release` them when their reader has taken them. Half of what
  /// is left at most, so that there is always something left for the next.
  func reserve(_ rows: Int) -> Int {
    let room = (Self.memory - reserved) / Self.recordBytes / 2
    let granted = min(rows, max(AuditPace.fewest, room))
    reserved += granted * Self.recordBytes
    return granted
  }

  func release(_ rows: Int) {
    reserved -= rows * Self.recordBytes
  }
}

/// How many rows to read at once for a reader: many for one who takes them quickly, few for a slow one, who has them waiting in
/// memory.
struct AuditPace {
  static let fewest = 512
  private static let most = 32_768
  private static let quick = Duration.milliseconds(50)
  private static let slow = Duration.milliseconds(150)
  /// Bytes.
  private static let mostLead = 512 << 10

  private(set) var rows = 2048

  /// The next chunk is read when no more than so many bytes of the one before wait: enough to send until it comes.
  var lead: Int { min(rows * 32, Self.mostLead) }

  mutating func chunkTaken(in time: Duration) {
    if time < Self.quick { rows = min(rows * 2, Self.most) }
    // At once as few as it takes in that time: the sockets took the first chunks, so the one that a slow reader stalls at is large.
    if time > Self.slow { rows = max(Int(Double(rows) * (Self.slow / time)), Self.fewest) }
  }
}
