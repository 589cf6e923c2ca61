/// How many bytes of requests are held for those who read them: messages that wait, and parts of messages. Confined to its loop.
///
/// Flow control bounds what one stream may send ahead of its reader, but a message must arrive whole: many streams with a large
/// part of a message each would hold any amount.
final class InputLedger: @unchecked Sendable {
  private let limit: Int
  private let parent: InputLedger?
  private var bytes = 0

  /// - Parameters:
  ///   - limit: Bytes.
  ///   - parent: Counts what this one counts, too.
  init(limit: Int, within parent: InputLedger?) {
    self.limit = limit
    self.parent = parent
  }

  var isOver: Bool {
    if bytes > limit { return true }
    guard let parent else { return false }
    return parent.bytes > parent.limit
  }

  func add(_ count: Int) {
    bytes += count
    // There are two levels: a connection's and its loop's.
    parent?.bytes += count
  }
}
