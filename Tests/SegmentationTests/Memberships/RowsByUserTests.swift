import Testing

@testable import Segmentation

@Suite struct RowsByUserTests {
  private func grouped(_ rows: [(Int64, Int)], for users: [Int64]) throws -> [[Int]] {
    var grouped = RowsByUser<Int>(try users.map { try UserID($0) })
    for (user, value) in rows { grouped.append(value, to: user) }
    return grouped.sorted(by: <)
  }

  @Test("each user gets its own rows, sorted, in whatever order they come")
  func anyOrder() throws {
    #expect(try grouped([(7, 2), (9, 5), (7, 1), (9, 4), (7, 3)], for: [9, 7]) == [[4, 5], [1, 2, 3]])
  }

  @Test("a user without rows has none, and one alone has all that come")
  func fewRows() throws {
    #expect(try grouped([(2, 1)], for: [1, 2, 3]) == [[], [1], []])
    #expect(try grouped([(5, 2), (5, 1)], for: [5]) == [[1, 2]])
    #expect(try grouped([], for: [5]) == [[]])
    #expect(try grouped([], for: []) == [])
  }

  @Test("a user that was asked for twice is answered twice")
  func twice() throws {
    #expect(try grouped([(1, 8), (2, 9)], for: [1, 2, 1]) == [[8], [9], [8]])
  }
}
