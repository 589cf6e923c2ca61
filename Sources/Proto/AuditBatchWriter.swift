/// Writes audit records as protobuf straight into bytes. The log is long: a Swift value, a C struct and a copied text for each field
/// of each record would cost more than all the rest of an export. The bytes are those that protobuf-c makes of the same
/// messages; a test compares them.
package struct AuditBatchWriter: Sendable {
  /// A record's fields. The texts are lent, UTF-8; an empty one is a field that is not there.
  package struct Record {
    package var sequence: Int64
    package var userID: Int64
    package var segmentID: Int64
    package var segmentSlug: UnsafeRawBufferPointer
    /// The number of the enum's value.
    package var action: Int32
    /// The number of the enum's value.
    package var cause: Int32
    package var actor: UnsafeRawBufferPointer
    package var requestID: UnsafeRawBufferPointer
    /// Microseconds since 1970, within the years 1 to 9999; nil for none.
    package var expiresAt: Int64?
    package var effectiveTime: Int64
    package var recordTime: Int64

    package init(
      sequence: Int64, userID: Int64, segmentID: Int64, segmentSlug: UnsafeRawBufferPointer, action: Int32,
      cause: Int32,
      actor: UnsafeRawBufferPointer, requestID: UnsafeRawBufferPointer, expiresAt: Int64?, effectiveTime: Int64,
      recordTime: Int64
    ) {
      self.sequence = sequence
      self.userID = userID
      self.segmentID = segmentID
      self.segmentSlug = segmentSlug
      self.action = action
      self.cause = cause
      self.actor = actor
      self.requestID = requestID
      self.expiresAt = expiresAt
      self.effectiveTime = effectiveTime
      self.recordTime = recordTime
    }
  }

  /// What a record takes at most besides its texts: seven numbers, three stamps, lengths and tags.
  private static let fixedBytes = 192
  /// Before a record: the tag of `AuditBatch.records` and the record's length.
  private static let headerBytes = 6

  /// The field `records` of an AuditBatch.
  private var records: [UInt8] = []
  /// How many records there are.
  package private(set) var count = 0

  package init() {}

  package var isEmpty: Bool { count == 0 }
  /// How many bytes the records take.
  package var byteCount: Int { records.count }

  package mutating func append(_ record: Record) {
    let room = Self.fixedBytes + record.segmentSlug.count + record.actor.count + record.requestID.count
    withUnsafeTemporaryAllocation(byteCount: Self.headerBytes + room, alignment: 1) { scratch in
      guard let base = scratch.baseAddress else { return }
      let body = base + Self.headerBytes
      var cursor = WireCursor(body)
      cursor.number(0x08, record.sequence)
      cursor.number(0x10, record.userID)
      cursor.number(0x18, record.segmentID)
      cursor.text(0x22, record.segmentSlug)
      cursor.number(0x28, Int64(record.action))
      cursor.number(0x30, Int64(record.cause))
      cursor.text(0x3a, record.actor)
      cursor.text(0x42, record.requestID)
      if let expiresAt = record.expiresAt { cursor.stamp(0x4a, expiresAt) }
      cursor.stamp(0x52, record.effectiveTime)
      cursor.stamp(0x5a, record.recordTime)
      let length = cursor.next - body
      // The header goes right before the body.
      let start = body - 1 - WireCursor.size(UInt64(length))
      var header = WireCursor(start)
      header.byte(0x0a)
      header.varint(UInt64(length))
      records.append(contentsOf: UnsafeRawBufferPointer(start: start, count: cursor.next - start))
    }
    count += 1
  }

  /// Appends a StreamAuditResponse with a batch of these records.
  package func append(to buffer: inout [UInt8], resumeToken: String) {
    let token = Array(resumeToken.utf8)
    let tokenBytes = token.isEmpty ? 0 : 1 + WireCursor.size(UInt64(token.count)) + token.count
    withUnsafeTemporaryAllocation(byteCount: 16, alignment: 1) { scratch in
      guard let base = scratch.baseAddress else { return }
      var cursor = WireCursor(base)
      cursor.byte(0x0a)
      cursor.varint(UInt64(records.count + tokenBytes))
      buffer.append(contentsOf: UnsafeRawBufferPointer(start: base, count: cursor.next - base))
      buffer.append(contentsOf: records)
      guard tokenBytes > 0 else { return }
      cursor = WireCursor(base)
      cursor.byte(0x12)
      cursor.varint(UInt64(token.count))
      buffer.append(contentsOf: UnsafeRawBufferPointer(start: base, count: cursor.next - base))
      buffer.append(contentsOf: token)
    }
  }

  package mutating func removeAll() {
    records.removeAll(keepingCapacity: true)
    count = 0
  }
}

/// Writes protobuf's wire format from left to right; there must be room. A field with its default value is left out, as proto3 says.
private struct WireCursor {
  var next: UnsafeMutableRawPointer

  init(_ start: UnsafeMutableRawPointer) {
    next = start
  }

  /// The bytes of a varint.
  @inline(__always)
  static func size(_ value: UInt64) -> Int { max(1, (70 - value.leadingZeroBitCount) / 7) }

  @inline(__always)
  mutating func byte(_ value: UInt8) {
    next.storeBytes(of: value, as: UInt8.self)
    next += 1
  }

  @inline(__always)
  mutating func varint(_ value: UInt64) {
    var rest = value
    while rest >= 0x80 {
      byte(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    byte(UInt8(truncatingIfNeeded: rest))
  }

  @inline(__always)
  mutating func number(_ tag: UInt8, _ value: Int64) {
    guard value != 0 else { return }
    byte(tag)
    varint(UInt64(bitPattern: value))
  }

  @inline(__always)
  mutating func text(_ tag: UInt8, _ text: UnsafeRawBufferPointer) {
    guard let start = text.baseAddress, text.count > 0 else { return }
    byte(tag)
    varint(UInt64(text.count))
    next.copyMemory(from: start, byteCount: text.count)
    next += text.count
  }

  /// A google.protobuf.Timestamp; an instant that it cannot hold becomes its default.
  @inline(__always)
  mutating func stamp(_ tag: UInt8, _ microseconds: Int64) {
    var (seconds, rest) = microseconds.quotientAndRemainder(dividingBy: 1_000_000)
    if rest < 0 {
      seconds -= 1
      rest += 1_000_000
    }
    byte(tag)
    guard ProtoTimestamp.secondsRange.contains(seconds) else { return byte(0) }
    // At most 2 x (1 + 10): its length is one byte.
    let length = next
    next += 1
    number(0x08, seconds)
    number(0x10, rest * 1000)
    length.storeBytes(of: UInt8(next - length - 1), as: UInt8.self)
  }
}
