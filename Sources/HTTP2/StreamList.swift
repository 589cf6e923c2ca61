/// The live streams of a session, linked through the streams themselves: a call costs no hashing and no allocation here.
struct StreamList {
  private(set) var first: HTTP2Stream?
  private(set) var count = 0

  mutating func insert(_ stream: HTTP2Stream) {
    if let first { first.previous = stream }
    stream.next = first.take()
    first = stream
    stream.isListed = true
    count += 1
  }

  /// Without effect when the stream is not in the list.
  mutating func remove(_ stream: HTTP2Stream) {
    guard stream.isListed else { return }
    stream.isListed = false
    count -= 1
    let next = stream.next.take()
    let previous = stream.previous
    stream.previous = nil
    next?.previous = previous
    if let previous { previous.next = next } else { first = next }
  }
}
