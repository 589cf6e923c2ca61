import Proto
import Testing

/// Bytes from anywhere: an error or a message, never a crash, never memory without a bound.
@Suite("Hostile input")
struct HostileInputTests {
  @Test("cut and changed messages are decoded or refused, never more")
  func mutations() throws {
    var source = RandomSource()
    var decoded = 0
    var refused = 0
    for round in 0..<40_000 {
      let type = randomMessages[round % randomMessages.count]
      var bytes = try type.random(&source).encoded()
      for _ in 0..<Int.random(in: 1...4, using: &source) {
        mutate(&bytes, &source)
      }
      // Half of them as another type than they were made of.
      let target = round % 2 == 0 ? type : randomMessages.randomElement(using: &source) ?? type
      do {
        // What is decoded can be encoded: nothing invalid came in.
        _ = try decode(target, bytes).encoded()
        decoded += 1
      } catch {
        refused += 1
      }
    }
    #expect(decoded > 1000 && refused > 1000, "seed \(RandomSource.seed)")
  }

  private func decode(_ type: any ProtoMessage.Type, _ bytes: [UInt8]) throws(ProtoError) -> any ProtoMessage {
    try type.init(decoding: bytes)
  }

  private func mutate(_ bytes: inout [UInt8], _ source: inout RandomSource) {
    guard let index = bytes.indices.randomElement(using: &source) else { return }
    switch Int.random(in: 0..<6, using: &source) {
    case 0: bytes.removeSubrange(index...)
    case 1: bytes[index] = .random(in: 0...255, using: &source)
    case 2: bytes[index] ^= 1 << UInt8.random(in: 0..<8, using: &source)
    case 3: bytes.insert(contentsOf: [0xFF, 0xFF, 0xFF, 0xFF, 0x0F], at: index)
    case 4: bytes.append(contentsOf: bytes[index...])
    default: bytes.remove(at: index)
    }
  }

  @Test("every beginning of a message is decoded or refused")
  func truncation() throws {
    var source = RandomSource()
    for type in randomMessages {
      let bytes = try type.random(&source).encoded().prefix(2000)
      for length in bytes.indices {
        _ = try? decode(type, Array(bytes[..<length]))
      }
    }
  }

  @Test("garbage is refused with the name of the message")
  func garbage() {
    #expect(throws: ProtoError.malformed(message: "segmentation.v1.CreateSegmentRequest")) {
      try CreateSegmentRequest(decoding: Array("this is no protobuf".utf8))
    }
    // A length beyond the end, a varint without an end, a group, field number 0, another wire type.
    for bytes: [UInt8] in [[10, 200, 1], [8] + .init(repeating: 0xFF, count: 11), [11, 12], [0, 0], [8, 1, 10]] {
      #expect(throws: ProtoError.malformed(message: "segmentation.v1.GetUserSegmentsRequest")) {
        try GetUserSegmentsRequest(decoding: bytes)
      }
    }
  }

  @Test("two million empty submessages are refused, and the next message is decoded")
  func emptySubmessages() throws {
    let hostile = (0..<2_000_000).flatMap { _ in [18, 0] as [UInt8] }
    #expect(throws: ProtoError.tooLarge(limit: ProtoLimits.decoding)) {
      _ = try ImportMembershipsRequest(decoding: hostile)
    }
    let next = GetUserSegmentsRequest(userID: 7)
    #expect(try GetUserSegmentsRequest(decoding: next.encoded()) == next)
  }

  @Test("a message merged over and over is refused before it takes all memory")
  func merges() throws {
    // The paths of the mask are merged with all the earlier ones again and again.
    let field = try UpdateSegmentRequest(updateMask: ProtoFieldMask(paths: .init(repeating: "a", count: 200))).encoded()
    let hostile = (0..<4000).flatMap { _ in field }
    #expect(throws: ProtoError.tooLarge(limit: ProtoLimits.decoding)) {
      _ = try UpdateSegmentRequest(decoding: hostile)
    }
  }

  @Test("the memory limit holds to the byte, however small", arguments: [0, 1, 7, 8, 64, 200, 1000, 300_000])
  func smallLimits(limit: Int) throws {
    let strings = GetUserSegmentsResponse(segments: .init(repeating: .init(repeating: "x", count: 100), count: 6000))
    #expect(throws: ProtoError.tooLarge(limit: limit)) {
      _ = try GetUserSegmentsResponse(decoding: strings.encoded(), memoryLimit: limit)
    }
    #expect(try GetUserSegmentsResponse(decoding: strings.encoded()) == strings)
  }

  @Test("an import message of 4 MiB fits the default limit")
  func largeImport() throws {
    let rows = (0..<180_000).map { ImportRow(userID: Int64($0), segment: "SEGMENT_\($0 % 1000)") }
    let bytes = try ImportMembershipsRequest(rows: rows).encoded()
    #expect(bytes.count > 3 << 20)
    #expect(try ImportMembershipsRequest(decoding: bytes).rows == rows)
  }
}
