import EventLoop
import Postgres
import PostgresFixture
import Synchronization
import Testing

@testable import Segmentation

@Suite struct `Audit tail` {
  @Test func `a look takes what has come since the look before, in order, and nothing twice`() async throws {
    // Transactions of other tests would hold looks back.
    let cluster = try await PostgresCluster()
    try await withStores(on: cluster) { stores in
      try await stores.segment("A")
      try await stores.update(1, assign: [assignment("A")], createUser: true)
      let tail = AuditTail(pool: stores.pool, installation: stores.installation)
      let first = try await tail.look(behind: nil, refreshing: true, deadline: nil)
      #expect(first.records == nil)
      for number in 2...4 {
        try await stores.update(Int64(number), assign: [assignment("A", anHour)], createUser: true)
      }
      try await stores.update(3, remove: ["A"])
      let second = try await tail.look(behind: first.tip, refreshing: false, deadline: nil)
      #expect(try await stores.log().dropFirst() == second.records?[...])
      #expect(second.records?.count == 4)
      let third = try await tail.look(behind: second.tip, refreshing: false, deadline: nil)
      #expect(third.records == [])
      #expect(third.tip.end >= second.tip.end)
    }
    try cluster.end()
  }

  @Test func `a look goes up to the oldest transaction that runs, and the next one on from there`() async throws {
    let cluster = try await PostgresCluster()
    try await withStores(on: cluster) { stores in
      try await stores.segment("A")
      let tail = AuditTail(pool: stores.pool, installation: stores.installation)
      let first = try await tail.look(behind: nil, refreshing: true, deadline: nil)
      try await stores.update(1, assign: [assignment("A")], createUser: true)
      let held = try await stores.pool.transaction { connection in
        _ = try await connection.query(Statement("test_xid", "SELECT pg_current_xact_id()::text"))
        try await stores.update(2, assign: [assignment("A")], createUser: true)
        let held = try await tail.look(behind: first.tip, refreshing: false, deadline: nil)
        #expect(held.records?.map(\.user.number) == [1])
        #expect(held.tip.oldest < held.tip.next)
        return held
      }
      let last = try await tail.look(behind: held.tip, refreshing: false, deadline: nil)
      #expect(last.records?.map(\.user.number) == [2])
    }
    try cluster.end()
  }

  @Test(arguments: [1023, 1024, 3000])
  func `more than a look takes is left to a reading`(count: Int) async throws {
    let cluster = try await PostgresCluster()
    try await withStores(checksAudit: false, on: cluster) { stores in
      let segment = try await stores.segment("A")
      let tail = AuditTail(pool: stores.pool, installation: stores.installation)
      let first = try await tail.look(behind: nil, refreshing: true, deadline: nil)
      try await stores.sql(
        """
        INSERT INTO segmentd.audit (xid, user_id, segment_id, effective_at, recorded_at, action, cause, segment_slug, actor)
        SELECT pg_current_xact_id(), i, \(segment.id.number), now(), now(), 1, 1, 'A', '' FROM generate_series(1, \(count)) i
        """)
      let second = try await tail.look(behind: first.tip, refreshing: false, deadline: nil)
      #expect(second.records?.count == (count < 1024 ? count : nil))
      let read = try await stores.audit.read(after: first.tip.end, to: second.tip.bound, limit: 5000)
      #expect(read.map(\.user.number) == (1...Int64(count)).map(\.self))
      if let records = second.records { #expect(records == read) }
    }
    try cluster.end()
  }

  @Test
  func `the bell rings for those who are there, on their loop, once for all that rang before the loop came to it`()
    async throws
  {
    final class Feed: Sendable {}
    let loop = try EventLoop(name: "bell")
    let bell = AuditBell()
    bell.ring()
    let heard = Mutex(0)
    let feed = Feed()
    bell.add(feed, on: loop) { heard.withLock { $0 += 1 } }
    for _ in 1...3 { bell.ring() }
    #expect(heard.withLock(\.self) == 0)
    let thread = try loop.start()
    try await loop.perform {}
    #expect(heard.withLock(\.self) == 1)
    try await loop.perform { bell.ring() }
    #expect(heard.withLock(\.self) == 2)
    bell.remove(feed)
    bell.ring()
    try await loop.perform {}
    #expect(heard.withLock(\.self) == 2)
    loop.stop()
    thread.join()
  }
}
