import Postgres
import Testing

@testable import Segmentation

@Suite struct AuditFilterTests {
  @Test("a filter lets the same records through in memory as in the database")
  func sameAsSQL() async throws {
    try await withStores { stores in
      for slug in ["A", "B"] { try await stores.segment(slug) }
      for user in Int64(1)...4 {
        try await stores.update(user, assign: [.init(.slug(Slug("A")), .never)], createUser: true)
        try await stores.update(user, assign: [.init(.slug(Slug("B")), .never)], remove: user > 2 ? ["A"] : [])
      }
      let all = try await stores.log()
      #expect(all.count == 10)
      let middle = all[5]
      let filters = [
        AuditFilter(), AuditFilter(users: [try UserID(1), try UserID(3)]), AuditFilter(users: []),
        AuditFilter(segments: [middle.segment]), AuditFilter(actions: [.deprive]), AuditFilter(causes: [.request]),
        AuditFilter(causes: [.expiry]), AuditFilter(from: middle.effectiveAt), AuditFilter(until: middle.effectiveAt),
        AuditFilter(users: [try UserID(3)], actions: [.assign], until: .distantFuture),
        AuditFilter(from: .distantPast, until: .distantPast),
      ]
      for filter in filters {
        let found = try await stores.log(filter)
        #expect(all.filter(filter.matches) == found, "\(filter)")
      }
      #expect(try await stores.log(AuditFilter(from: middle.effectiveAt)).count == 5)
    }
  }
}
