import CNghttp2

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Small blocks for the nghttp2 sessions of one loop, which take and give back about ten of them in every call: with many calls at
/// once that is more than `malloc` keeps at hand for a thread. Confined to its loop.
///
/// The blocks come from `malloc` and are put aside by their size, up to a bound; each free one holds the address of the next.
package final class SessionMemory: @unchecked Sendable {
  /// Blocks are sorted by multiples of this, of which `malloc` itself needs some for each.
  private static let step = 16
  private static let overhead = 8
  /// The multiple of the smallest block.
  private static let first = 2
  private static let classes = 32
  /// The most bytes that are put aside.
  private static let limit = 512 << 10

  private let heads = UnsafeMutablePointer<UnsafeMutableRawPointer?>.allocate(capacity: classes)
  private var kept = 0
  /// What nghttp2 is given.
  let functions = UnsafeMutablePointer<nghttp2_mem>.allocate(capacity: 1)

  package init() {
    heads.initialize(repeating: nil, count: Self.classes)
    functions.initialize(
      to: nghttp2_mem(
        mem_user_data: nil, malloc: { size, context in with(context) { $0.take(size) } },
        free: { block, context in _ = with(context) { $0.giveBack(block) } },
        calloc: { count, size, context in
          let (bytes, overflows) = count.multipliedReportingOverflow(by: size)
          guard !overflows, let block = with(context, { $0.take(bytes) }) else { return nil }
          return memset(block, 0, bytes)
        },
        realloc: { block, size, _ in realloc(block, size) }))
    functions.pointee.mem_user_data = Unmanaged.passUnretained(self).toOpaque()
  }

  deinit {
    for place in 0..<Self.classes {
      while let block = pop(place) { free(block) }
    }
    heads.deallocate()
    functions.deallocate()
  }

  private func take(_ size: Int) -> UnsafeMutableRawPointer? {
    let place = max((size &+ Self.overhead &+ Self.step &- 1) / Self.step &- Self.first, 0)
    guard size > 0, place < Self.classes, let block = pop(place) else { return malloc(size) }
    return block
  }

  private func giveBack(_ block: UnsafeMutableRawPointer?) {
    guard let block else { return }
    // Never more than what the block holds, whatever it was asked for.
    let place = (nghttp2_shim_usable_size(block) &+ Self.overhead) / Self.step &- Self.first
    guard place >= 0, place < Self.classes, kept < Self.limit else { return free(block) }
    block.storeBytes(of: heads[place], as: UnsafeMutableRawPointer?.self)
    heads[place] = block
    kept &+= (place &+ Self.first) &* Self.step
  }

  private func pop(_ place: Int) -> UnsafeMutableRawPointer? {
    guard let block = heads[place] else { return nil }
    heads[place] = block.load(as: UnsafeMutableRawPointer?.self)
    kept &-= (place &+ Self.first) &* Self.step
    return block
  }
}

private func with<Result>(_ context: UnsafeMutableRawPointer?, _ body: (SessionMemory) -> Result?) -> Result? {
  guard let context else { return nil }
  return Unmanaged<SessionMemory>.fromOpaque(context)._withUnsafeGuaranteedRef { body($0) }
}
