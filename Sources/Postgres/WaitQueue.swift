/// Those who wait for a connection, first come, first served; anyone may leave.
struct WaitQueue {
  struct Ticket: Hashable, Comparable, Sendable {
    let number: Int

    static func < (left: Ticket, right: Ticket) -> Bool { left.number < right.number }
  }

  private struct Place {
    let ticket: Ticket
    var isTaken = true
  }

  private var places: [Place] = []
  private var head = 0
  private var issued = 0
  private(set) var count = 0

  var isEmpty: Bool { count == 0 }

  /// Who is next, still waiting.
  var first: Ticket? { places[head...].first(where: \.isTaken)?.ticket }

  mutating func join() -> Ticket {
    issued += 1
    count += 1
    places.append(Place(ticket: Ticket(number: issued)))
    return Ticket(number: issued)
  }

  mutating func next() -> Ticket? {
    while head < places.count {
      let place = places[head]
      head += 1
      compact()
      guard place.isTaken else { continue }
      count -= 1
      return place.ticket
    }
    return nil
  }

  /// - Returns: Whether the ticket was still waiting.
  mutating func leave(_ ticket: Ticket) -> Bool {
    // Tickets are in order.
    var low = head
    var high = places.count
    while low < high {
      let middle = (low + high) / 2
      if places[middle].ticket < ticket { low = middle + 1 } else { high = middle }
    }
    guard low < places.count, places[low].ticket == ticket, places[low].isTaken else { return false }
    places[low].isTaken = false
    count -= 1
    return true
  }

  mutating func removeAll() -> [Ticket] {
    defer { self = WaitQueue(issued: issued) }
    return places[head...].filter(\.isTaken).map(\.ticket)
  }

  init() {}

  private init(issued: Int) {
    self.issued = issued
  }

  private mutating func compact() {
    guard head == places.count || head > 1024 else { return }
    places.removeFirst(head)
    head = 0
  }
}
