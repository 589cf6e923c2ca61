import Testing

@testable import HTTP2

@Suite struct SessionMemoryTests {
  private let memory = SessionMemory()

  private func take(_ size: Int) -> UnsafeMutableRawPointer? {
    memory.functions.pointee.malloc(size, memory.functions.pointee.mem_user_data)
  }

  private func giveBack(_ block: UnsafeMutableRawPointer?) {
    memory.functions.pointee.free(block, memory.functions.pointee.mem_user_data)
  }

  @Test("a block that was given back is handed out again, to whoever needs no more than it holds")
  func reuse() throws {
    let block = try #require(take(100))
    giveBack(block)
    let larger = try #require(take(300))
    #expect(larger != block)
    #expect(take(100) == block)
    giveBack(block)
    giveBack(larger)
  }

  @Test("every size holds what it was asked for", arguments: [1, 8, 24, 25, 40, 41, 100, 488, 520, 521, 100_000])
  func sizes(_ size: Int) throws {
    for _ in 0..<3 {
      let blocks = try (0..<4).map { _ in try #require(take(size)) }
      for (number, block) in blocks.enumerated() {
        UnsafeMutableRawBufferPointer(start: block, count: size).initializeMemory(
          as: UInt8.self, repeating: UInt8(number))
      }
      for (number, block) in blocks.enumerated() {
        #expect(UnsafeRawBufferPointer(start: block, count: size).allSatisfy { $0 == UInt8(number) })
        giveBack(block)
      }
    }
  }

  @Test("calloc's blocks are zero, also those that were used before, and too many are refused")
  func calloc() throws {
    let block = try #require(take(64))
    UnsafeMutableRawBufferPointer(start: block, count: 64).initializeMemory(as: UInt8.self, repeating: 255)
    giveBack(block)
    let functions = memory.functions.pointee
    let zeroed = try #require(functions.calloc(8, 8, functions.mem_user_data))
    #expect(UnsafeRawBufferPointer(start: zeroed, count: 64).allSatisfy { $0 == 0 })
    giveBack(zeroed)
    #expect(functions.calloc(.max, 2, functions.mem_user_data) == nil)
  }

  @Test("no block is nothing to give back")
  func none() {
    giveBack(nil)
  }
}
