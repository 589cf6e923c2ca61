internal import CProto

/// Of a record of a stream what its CSV line has, as protobuf-c unpacked it: nothing is copied. Lent for the call that gets it.
package struct AuditRecordView {
  package let userID: Int64
  /// Not looked at whether it is UTF-8.
  package let segmentSlug: UnsafeRawBufferPointer
  package let action: AuditAction
  /// Nil for none.
  package let effectiveTime: ProtoTimestamp?

  fileprivate init(_ c: Segmentation__V1__AuditRecord) {
    userID = c.user_id
    segmentSlug = readText(c.segment_slug)
    action = AuditAction(rawValue: Int32(bitPattern: c.action.rawValue))
    effectiveTime = c.effective_time.map { ProtoTimestamp(seconds: $0.pointee.seconds, nanos: $0.pointee.nanos) }
  }
}

extension StreamAuditResponse {
  /// Decodes a response whose records are only looked at: a Swift value and its texts for each would take as long as all the rest.
  /// - Parameters:
  ///   - bytes: The whole message. Not kept.
  ///   - body: Gets each record of a batch.
  /// - Returns: How many records there were, and the response without them.
  /// - Throws: `malformed`, `invalidUTF8`, `containsNUL` or `tooLarge`.
  package static func decode(
    _ bytes: UnsafeRawBufferPointer, eachRecord body: (AuditRecordView) -> Void
  ) throws(ProtoError) -> (count: Int, response: StreamAuditResponse) {
    var count = 0
    let response: StreamAuditResponse = try Codec.withUnpacked(bytes, memoryLimit: ProtoLimits.decoding) {
      c throws(ProtoError) in
      guard c.pointee.event_case.rawValue == 1, let batch = c.pointee.batch else {
        return try StreamAuditResponse(reading: c)
      }
      count = batch.pointee.n_records
      for index in 0..<count {
        if let record = batch.pointee.records[index] { body(AuditRecordView(record.pointee)) }
      }
      let token = try readString(batch.pointee.resume_token, "segmentation.v1.AuditBatch.resume_token")
      return StreamAuditResponse(event: .batch(AuditBatch(resumeToken: token)))
    }
    return (count, response)
  }
}
