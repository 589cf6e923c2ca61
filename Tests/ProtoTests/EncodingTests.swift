import Proto
import Testing

/// The ways out of a message, and the scratch memory that they share.
@Suite("Encoding")
struct EncodingTests {
  let message = GetUserSegmentsResponse(segments: ["A", "BC"])
  let bytes: [UInt8] = [10, 1, 65, 10, 2, 66, 67]

  @Test("a message is written straight into the caller's memory")
  func intoMemory() throws {
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 64, alignment: 1)
    defer { memory.deallocate() }
    memory.initializeMemory(as: UInt8.self, repeating: 0xEE)
    let base = try #require(memory.baseAddress)
    var sizes: [Int] = []
    try message.encode { size in
      sizes.append(size)
      return base + 5
    }
    #expect(sizes == [7])
    #expect(Array(memory[5..<12]) == bytes)
    #expect(memory[4] == 0xEE && memory[12] == 0xEE)
  }

  @Test("room for a header comes before the message")
  func prefix() throws {
    var output: [UInt8] = [1, 2]
    try message.append(to: &output, reserving: 5)
    #expect(output == [1, 2, 0, 0, 0, 0, 0] + bytes)
    let lent = try message.withEncoded(reserving: 5) { buffer in
      buffer[..<5].copyBytes(from: [9, 9, 9, 9, 9])
      return Array(buffer)
    }
    #expect(lent == [9, 9, 9, 9, 9] + bytes)
  }

  @Test("nothing is appended when a message cannot be encoded")
  func errorsAppendNothing() {
    var output: [UInt8] = [1]
    #expect(throws: ProtoError.self) {
      try GetUserSegmentsResponse(segments: ["a", "b\0"]).append(to: &output, reserving: 5)
    }
    #expect(output == [1])
  }

  @Test("messages are encoded and decoded while another one is lent")
  func nesting() throws {
    let large = GetUserSegmentsResponse(segments: .init(repeating: .init(repeating: "y", count: 100), count: 10_000))
    let result = try message.withEncoded(reserving: 0) { outer in
      Result {
        try large.withEncoded(reserving: 0) { inner in
          Result { try GetUserSegmentsResponse.decode(UnsafeRawBufferPointer(inner)) == large }
        }.get() && Array(outer) == bytes
      }
    }
    #expect(try result.get())
  }

  @Test("threads encode and decode side by side")
  func threads() async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
      for task in 0..<8 {
        group.addTask {
          for round in 0..<2000 {
            let message = GetUserSegmentsResponse(segments: (0..<5).map { "SEGMENT_\(task)_\(round)_\($0)" })
            let decoded = try GetUserSegmentsResponse(decoding: message.encoded())
            #expect(decoded == message)
          }
        }
      }
      try await group.waitForAll()
    }
  }
}
