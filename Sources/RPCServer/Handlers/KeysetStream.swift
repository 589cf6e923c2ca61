import GRPC
import Postgres
import Segmentation

/// A stream in the order of user ids: where it begins, how much of it is wanted, in messages of which size.
struct KeysetStream: Sendable {
  private static let standardBatch = 4096
  private static let largestBatch = 10_000
  /// About how many items are read at once.
  private static let chunk = 8192

  private let start: Int64
  private let limit: Int64
  private let batch: Int

  /// - Throws: `SegmentationError.invalid` for numbers below zero.
  init(startAfter: Int64, limit: Int64, maxBatchSize: Int32) throws(SegmentationError) {
    guard startAfter >= 0 else { throw .invalid(field: "start_after_user_id", reason: "must not be negative") }
    guard limit >= 0 else { throw .invalid(field: "limit", reason: "must not be negative") }
    guard maxBatchSize >= 0 else { throw .invalid(field: "max_batch_size", reason: "must not be negative") }
    start = startAfter
    self.limit = limit == 0 ? .max : limit
    batch = maxBatchSize == 0 ? Self.standardBatch : min(Int(maxBatchSize), Self.largestBatch)
  }

  /// Sends all of it. The next chunk is read while the one before is being sent, and not sooner: however slow the reader, two
  /// chunks are all that is held, and no connection to the database while it is waited for.
  /// - Parameters:
  ///   - read: What comes after an id, at most so many; fewer means that there is no more.
  ///   - key: An item's id.
  ///   - write: Sends one message.
  /// - Returns: How many chunks were read.
  @discardableResult
  func send<Item: Sendable>(
    reading read: @escaping @Sendable (_ after: Int64, _ limit: Int) async throws -> KeysetChunk<Item>,
    key: (Item) -> Int64, writing write: (ArraySlice<Item>, KeysetChunk<Item>) async throws -> Void
  ) async throws -> Int {
    var size = chunkSize(sent: 0)
    var chunk = try await read(start, size)
    var sent: Int64 = 0
    var chunks = 1
    while let last = chunk.items.last {
      sent += Int64(chunk.items.count)
      let next = chunk.items.count < size ? 0 : chunkSize(sent: sent)
      let lastKey = key(last)
      async let following = next == 0 ? .empty : read(lastKey, next)
      for first in stride(from: 0, to: chunk.items.count, by: batch) {
        try await write(chunk.items[first..<min(first + batch, chunk.items.count)], chunk)
      }
      chunk = try await following
      if next > 0 { chunks += 1 }
      size = next
    }
    return chunks
  }

  /// Sends what was at an instant: one reading, which goes on as fast as its reader.
  func send(
    membersOf segment: Segment, at instant: Timestamp, _ history: HistoryStore, by caller: Caller,
    writing write: ([Membership]) async throws -> Void
  ) async throws {
    try await history.members(
      of: segment, at: instant, after: start, limit: limit, batch: batch, by: caller, write)
  }

  /// Whole messages, as long as the limit allows.
  private func chunkSize(sent: Int64) -> Int {
    let whole = max(batch, Self.chunk / batch * batch)
    return Int(min(Int64(whole), limit - sent))
  }
}
