import Foundation
import Testing

@testable import Segmentation

@Suite struct `Buckets` {
  struct Vector: Decodable, Sendable {
    let segmentID: Int64
    let userID: Int64
    let bucket: Int32

    enum CodingKeys: String, CodingKey {
      case segmentID = "segment_id"
      case userID = "user_id"
      case bucket
    }
  }

  static let vectors: [Vector] = {
    var path = URL(fileURLWithPath: #filePath)
    for _ in 0..<4 { path.deleteLastPathComponent() }
    let file = path.appending(path: "docs/outreach-vectors.json")
    guard let data = try? Data(contentsOf: file), let vectors = try? JSONDecoder().decode([Vector].self, from: data)
    else { return [] }
    return vectors
  }()

  @Test func `the published vectors hold in Swift`() throws {
    #expect(Self.vectors.count >= 10)
    for vector in Self.vectors {
      #expect(try Bucket(of: UserID(vector.userID), in: SegmentID(vector.segmentID)).number == vector.bucket)
    }
  }

  @Test func `the published vectors hold in SQL`() async throws {
    try await withStores { stores in
      for vector in Self.vectors {
        let result = try await stores.sql(
          "SELECT segmentd.bucket($1, $2)", [.int64(vector.segmentID), .int64(vector.userID)])
        #expect(try result.int32(0, 0) == vector.bucket)
      }
    }
  }

  @Test func `an outreach covers the buckets below it`() throws {
    let bucket = try Bucket(of: UserID(1), in: SegmentID(1))
    #expect(bucket.number == 838_708)
    #expect(Outreach(stored: 838_709).covers(bucket))
    #expect(!Outreach(stored: 838_708).covers(bucket))
    #expect(try Outreach(1).covers(bucket))
  }

  @Test func `buckets are spread evenly`() throws {
    let covered = try (1...20_000).filter { try Outreach(0.42).covers(Bucket(of: UserID($0), in: SegmentID(3))) }
    #expect((8200...8600).contains(covered.count))
  }
}
