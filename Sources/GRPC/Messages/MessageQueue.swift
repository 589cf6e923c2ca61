/// Messages that have arrived and that nobody has taken yet, in order.
struct MessageQueue {
  /// Most calls have only one message, which needs no array.
  private var first: WireMessage?
  private var others: [WireMessage] = []
  /// The next of the others.
  private var head = 0

  var count: Int { (first == nil ? 0 : 1) + others.count - head }

  var isEmpty: Bool { first == nil }

  mutating func append(_ message: WireMessage) {
    if first == nil { first = message } else { others.append(message) }
  }

  mutating func popFirst() -> WireMessage? {
    let message = first.take()
    if head < others.count { first = next() }
    return message
  }

  mutating func removeAll() {
    self = MessageQueue()
  }

  private mutating func next() -> WireMessage {
    let message = others[head]
    others[head].bytes = []
    head += 1
    if head == others.count {
      others.removeAll(keepingCapacity: true)
      head = 0
    } else if head >= 64, head * 2 >= others.count {
      // Taken ones are dropped in bulk, so that a queue that never empties does not grow.
      others.removeFirst(head)
      head = 0
    }
    return message
  }
}
