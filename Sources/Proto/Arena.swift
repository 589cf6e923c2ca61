internal import CProto

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Scratch memory for the C structs of one message: a bump allocator that protobuf-c allocates from and never frees to.
///
/// One per thread, at a place that does not move (see `current`). Its first chunk stays for the life of the thread,
/// further ones go when the message is done. Each block is headed by its size, by which a string is told from one that
/// a U+0000 cuts short:
///
///     | size | block, 8-aligned | size | block | ... cursor ... end |
struct Arena {
  /// The bytes of the first chunk.
  static let firstChunk = 256 << 10

  /// The bytes before each block: its size.
  static let header = 8

  /// The bytes before the blocks of a further chunk: the chunk before it, and how many bytes of blocks it has room for.
  static let chunkHeader = 16

  /// What is given back when a message is done.
  struct Mark {
    fileprivate let cursor: UnsafeMutableRawPointer
    fileprivate let end: UnsafeMutableRawPointer
    fileprivate let chunk: UnsafeMutableRawPointer?
    fileprivate let remaining: Int
    fileprivate let exhausted: Bool
  }

  /// Makes protobuf-c allocate from this arena. The first property, so that it is where the arena is.
  private var allocator = ProtobufCAllocator()
  /// Whether the limit was hit since `begin`.
  private(set) var exhausted = false
  private var cursor: UnsafeMutableRawPointer
  private var end: UnsafeMutableRawPointer
  /// The latest chunk beyond the first.
  private var chunk: UnsafeMutableRawPointer?
  /// How many bytes may still be taken beyond `end`.
  private var remaining = 0
  private let first: UnsafeMutableRawPointer

  fileprivate init() {
    first = .allocate(byteCount: Arena.firstChunk, alignment: 16)
    cursor = first
    end = first + Arena.firstChunk
  }

  fileprivate func free() {
    first.deallocate()
  }

  /// Starts a message that may take `limit` bytes. Messages nest: what an outer one has taken stays.
  mutating func begin(limit: Int) -> Mark {
    let mark = Mark(cursor: cursor, end: end, chunk: chunk, remaining: remaining, exhausted: exhausted)
    let room = max(0, min(limit, end - cursor))
    end = cursor + room
    remaining = limit - room
    exhausted = false
    return mark
  }

  /// Gives back all that was taken since `begin` answered this mark.
  mutating func end(_ mark: Mark) {
    while chunk != mark.chunk, let latest = chunk {
      chunk = latest.load(as: UnsafeMutableRawPointer?.self)
      latest.deallocate()
    }
    cursor = mark.cursor
    end = mark.end
    remaining = mark.remaining
    exhausted = mark.exhausted
  }

  /// A block of that many bytes, 8-aligned and not initialised; nil when the limit is hit.
  @inline(__always)
  mutating func allocate(_ size: Int) -> UnsafeMutableRawPointer? {
    guard UInt(bitPattern: size) < UInt(ProtoLimits.encoding) else {
      exhausted = true
      return nil
    }
    let needed = (size &+ (Arena.header + 7)) & ~7
    guard end - cursor >= needed || grow(by: needed) else { return nil }
    cursor.storeBytes(of: size, as: Int.self)
    let block = cursor + Arena.header
    cursor += needed
    return block
  }

  /// The bytes that a block of any arena was asked for.
  @inline(__always)
  static func size(of block: UnsafeRawPointer) -> Int {
    (block - header).load(as: Int.self)
  }

  /// Adds a chunk with room for `needed` bytes; false when the limit is hit.
  @inline(never)
  private mutating func grow(by needed: Int) -> Bool {
    let latest = chunk?.load(fromByteOffset: 8, as: Int.self) ?? Arena.firstChunk
    let room = min(max(needed, latest * 2), remaining)
    guard room >= needed else {
      exhausted = true
      return false
    }
    let fresh = UnsafeMutableRawPointer.allocate(byteCount: Arena.chunkHeader + room, alignment: 16)
    fresh.storeBytes(of: chunk, as: UnsafeMutableRawPointer?.self)
    fresh.storeBytes(of: room, toByteOffset: 8, as: Int.self)
    chunk = fresh
    cursor = fresh + Arena.chunkHeader
    end = cursor + room
    remaining -= room
    return true
  }
}

extension Arena {
  /// The calling thread's arena, made at first use and freed with the thread. It must not be handed to another thread,
  /// nor kept across a suspension.
  @inline(__always)
  static var current: UnsafeMutablePointer<Arena> {
    guard let existing = pthread_getspecific(key) else { return make() }
    return existing.assumingMemoryBound(to: Arena.self)
  }

  /// What protobuf-c is to allocate with from an arena.
  @inline(__always)
  static func allocator(_ arena: UnsafeMutablePointer<Arena>) -> UnsafeMutablePointer<ProtobufCAllocator> {
    UnsafeMutableRawPointer(arena).assumingMemoryBound(to: ProtobufCAllocator.self)
  }

  @inline(never)
  private static func make() -> UnsafeMutablePointer<Arena> {
    let arena = UnsafeMutablePointer<Arena>.allocate(capacity: 1)
    arena.initialize(to: Arena())
    arena.pointee.allocator.allocator_data = UnsafeMutableRawPointer(arena)
    arena.pointee.allocator.alloc = { data, size in
      data?.assumingMemoryBound(to: Arena.self).pointee.allocate(size)
    }
    arena.pointee.allocator.free = { _, _ in }
    pthread_setspecific(key, arena)
    return arena
  }

  private static let key: pthread_key_t = {
    var key = pthread_key_t()
    let code = pthread_key_create(&key) { data in
      guard let arena = data?.assumingMemoryBound(to: Arena.self) else { return }
      arena.pointee.free()
      arena.deallocate()
    }
    precondition(code == 0, "no thread-specific key is left")
    return key
  }()
}
