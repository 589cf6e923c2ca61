/// Of a record of a stream what its CSV line has, where it lies in the message: nothing is copied. Lent for the call that gets it.
package struct AuditRecordView {
  package fileprivate(set) var userID: Int64 = 0
  /// Not looked at whether it is UTF-8.
  package fileprivate(set) var segmentSlug = UnsafeRawBufferPointer(start: nil, count: 0)
  package fileprivate(set) var action = AuditAction.unspecified
  /// Nil for none.
  package fileprivate(set) var effectiveTime: ProtoTimestamp?

  /// - Returns: nil when the bytes are not an AuditRecord.
  fileprivate init?(_ bytes: UnsafeRawBufferPointer) {
    var record = WireScanner(bytes)
    while !record.isAtEnd {
      guard let (field, type) = record.tag() else { return nil }
      switch (field, type) {
      case (2, .varint):
        guard let number = record.varint() else { return nil }
        userID = Int64(bitPattern: number)
      case (4, .length):
        guard let slug = record.bytes() else { return nil }
        segmentSlug = slug
      case (5, .varint):
        guard let number = record.varint() else { return nil }
        action = AuditAction(rawValue: Int32(truncatingIfNeeded: number))
      case (10, .length):
        guard let stamp = record.bytes(), readEffectiveTime(stamp) else { return nil }
      case (2, _), (4, _), (5, _), (10, _): return nil
      default:
        guard record.skip(type) else { return nil }
      }
    }
  }

  /// A message that comes twice is merged.
  private mutating func readEffectiveTime(_ bytes: UnsafeRawBufferPointer) -> Bool {
    var time = effectiveTime ?? ProtoTimestamp()
    var stamp = WireScanner(bytes)
    while !stamp.isAtEnd {
      guard let (field, type) = stamp.tag() else { return false }
      switch (field, type) {
      case (1, .varint):
        guard let number = stamp.varint() else { return false }
        time.seconds = Int64(bitPattern: number)
      case (2, .varint):
        guard let number = stamp.varint() else { return false }
        time.nanos = Int32(truncatingIfNeeded: number)
      case (1, _), (2, _): return false
      default:
        guard stamp.skip(type) else { return false }
      }
    }
    effectiveTime = time
    return true
  }
}

extension StreamAuditResponse {
  /// Decodes a response whose records are only looked at: a Swift value and its texts for each, or protobuf-c's struct, would take
  /// as long as all the rest.
  /// - Parameters:
  ///   - bytes: The whole message. Not kept.
  ///   - body: Gets each record of a batch.
  /// - Returns: How many records there were, and the response without them.
  /// - Throws: `malformed`, `invalidUTF8`, `containsNUL` or `tooLarge`; `body` may have got records before.
  package static func decode(
    _ bytes: UnsafeRawBufferPointer, eachRecord body: (AuditRecordView) -> Void
  ) throws(ProtoError) -> (count: Int, response: StreamAuditResponse) {
    var message = WireScanner(bytes)
    guard let (field, type) = message.tag(), field == 1, type == .length, let content = message.bytes(),
      message.isAtEnd
    else {
      // Anything but one batch: what protobuf-c makes of it.
      let response = try Codec.decode(bytes, memoryLimit: ProtoLimits.decoding) as StreamAuditResponse
      guard case .batch(let batch) = response.event else { return (0, response) }
      for var record in batch.records { record.withView(body) }
      return (
        batch.records.count, StreamAuditResponse(event: .batch(AuditBatch(resumeToken: batch.resumeToken)))
      )
    }
    var batch = WireScanner(content)
    var count = 0
    var token = ""
    while !batch.isAtEnd {
      guard let (field, type) = batch.tag() else { throw malformed }
      switch (field, type) {
      case (1, .length):
        guard let bytes = batch.bytes(), let record = AuditRecordView(bytes) else { throw malformed }
        count += 1
        body(record)
      case (2, .length):
        guard let bytes = batch.bytes() else { throw malformed }
        token = try text(bytes)
      case (1, _), (2, _): throw malformed
      default:
        guard batch.skip(type) else { throw malformed }
      }
    }
    return (count, StreamAuditResponse(event: .batch(AuditBatch(resumeToken: token))))
  }

  private static var malformed: ProtoError { .malformed(message: fullName) }

  private static func text(_ bytes: UnsafeRawBufferPointer) throws(ProtoError) -> String {
    let field = "segmentation.v1.AuditBatch.resume_token"
    guard let text = String(validating: bytes, as: UTF8.self) else { throw .invalidUTF8(field: field) }
    guard !bytes.contains(0) else { throw .containsNUL(field: field) }
    return text
  }
}

extension AuditRecord {
  fileprivate mutating func withView(_ body: (AuditRecordView) -> Void) {
    segmentSlug.withUTF8 { slug in
      guard var view = AuditRecordView(UnsafeRawBufferPointer(start: nil, count: 0)) else { return }
      view.userID = userID
      view.segmentSlug = UnsafeRawBufferPointer(slug)
      view.action = action
      view.effectiveTime = effectiveTime
      body(view)
    }
  }
}
