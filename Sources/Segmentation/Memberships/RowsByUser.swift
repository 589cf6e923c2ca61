/// What a query for many users answered, put back with the users that it is for.
///
/// The rows of a user mostly come one after the other, so only a row of another user than the one before has to be looked up.
struct RowsByUser<Value> {
  private let users: [UserID]
  /// Where a user's values are; one that was asked for twice has one place.
  private var places: [Int64: Int] = [:]
  private var values: [[Value]]
  private var last: (user: Int64, place: Int)?

  init(_ users: [UserID]) {
    self.users = users
    values = Array(repeating: [], count: users.count)
    guard users.count > 1 else { return }
    places.reserveCapacity(users.count)
    for (place, user) in users.enumerated() { places[user.number] = place }
  }

  /// - Precondition: `user` is one of those that were asked for; else the value is dropped.
  mutating func append(_ value: Value, to user: Int64) {
    if last?.user != user {
      guard let place = users.count == 1 ? 0 : places[user] else { return }
      last = (user, place)
    }
    if let last { values[last.place].append(value) }
  }

  /// The values of each user, in the order in which the users were given.
  func sorted(by areInOrder: (Value, Value) -> Bool) -> [[Value]] {
    let sorted = values.map { $0.count > 1 ? $0.sorted(by: areInOrder) : $0 }
    guard places.count < users.count, users.count > 1 else { return sorted }
    return users.map { user in places[user.number].map { sorted[$0] } ?? [] }
  }
}
