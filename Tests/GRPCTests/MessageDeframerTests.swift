import Testing

@testable import GRPC

@Suite struct MessageDeframerTests {
  private func framed(_ messages: [Bytes]) throws -> Bytes {
    var bytes: Bytes = []
    for message in messages { try Kind.coding.frame(message, into: &bytes) }
    return bytes
  }

  private func deframe(_ chunks: [Bytes], limit: Int = 1000) throws -> (messages: [Bytes], isIncomplete: Bool) {
    var deframer = MessageDeframer(limit: limit)
    var messages: [Bytes] = []
    for chunk in chunks { try chunk.withUnsafeBytes { try deframer.push($0) { messages.append($0.bytes) } } }
    return (messages, deframer.isIncomplete)
  }

  static let samples: [Bytes] = [[], [1], [], [2, 3, 4], Bytes(repeating: 9, count: 300), []]

  @Test("messages come out whole, wherever the bytes are cut")
  func everyCut() throws {
    let bytes = try framed(Self.samples)
    for cut in 0...bytes.count {
      let result = try deframe([Bytes(bytes[..<cut]), Bytes(bytes[cut...])])
      #expect(result.messages == Self.samples)
      #expect(!result.isIncomplete)
    }
  }

  @Test("messages come out whole from single bytes, and not before their last one")
  func singleBytes() throws {
    let bytes = try framed(Self.samples)
    #expect(try deframe(bytes.map { [$0] }).messages == Self.samples)
    for count in 1..<bytes.count {
      let result = try deframe(bytes[..<count].map { [$0] })
      var ends = 0
      var whole = 0
      for sample in Self.samples {
        guard ends + 5 + sample.count <= count else { break }
        ends += 5 + sample.count
        whole += 1
      }
      #expect(result.messages.count == whole)
      #expect(result.isIncomplete == (count != ends))
    }
  }

  @Test("a message at the limit is taken, one over it is RESOURCE_EXHAUSTED from its prefix on")
  func limit() throws {
    let message = Bytes(repeating: 1, count: 100)
    #expect(try deframe([framed([message])], limit: 100).messages == [message])
    let error = #expect(throws: RPCError.self) { try deframe([[0, 0, 0, 0, 101]], limit: 100) }
    #expect(error?.code == .resourceExhausted)
    #expect(error?.message == "a message of 101 bytes is over the limit of 100 bytes")
    #expect(throws: RPCError.self) { try deframe([[0, 255, 255, 255, 255]], limit: 100) }
  }

  @Test("compressed messages and unknown flags are refused", arguments: [1, 2, 255] as [UInt8])
  func flags(_ flag: UInt8) {
    let error = #expect(throws: RPCError.self) { try deframe([[flag, 0, 0, 0, 0]]) }
    #expect(error?.code == .internalError)
  }

  @Test("a message that cannot be encoded leaves the buffer as it was")
  func failedEncoding() {
    struct Failure: Error {}
    let coding = MessageCoding<Int>(
      decode: { _ in 0 },
      encode: {
        $1 += [1, 2, 3]; if $0 < 0 { throw Failure() }
      })
    var buffer: Bytes = [7]
    #expect(throws: Failure.self) { try coding.frame(-1, into: &buffer) }
    #expect(buffer == [7])
  }
}
