import Proto
import Testing

/// protobuf-c knows neither the length nor the encoding of a string; these are our checks.
@Suite("Strings")
struct StringTests {
  static let invalid: [[UInt8]] = [
    [0xFF], [0xC3], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0x41, 0x80], [0xE6, 0xBC],
  ]

  @Test("a string that is not UTF-8 is refused with the name of its field", arguments: invalid)
  func invalidUTF8(bytes: [UInt8]) {
    #expect(throws: ProtoError.invalidUTF8(field: "segmentation.v1.CreateSegmentRequest.slug")) {
      try CreateSegmentRequest(decoding: Self.field(1, bytes))
    }
    #expect(throws: ProtoError.invalidUTF8(field: "segmentation.v1.GetUserSegmentsResponse.segments")) {
      try GetUserSegmentsResponse(decoding: Self.field(1, [65]) + Self.field(1, bytes))
    }
    #expect(throws: ProtoError.invalidUTF8(field: "segmentation.v1.SegmentSelector.slug")) {
      try GetSegmentRequest(decoding: Self.field(1, Self.field(1, bytes)))
    }
    #expect(throws: ProtoError.invalidUTF8(field: "google.rpc.ErrorInfo.MetadataEntry.key")) {
      try GoogleRPCErrorInfo(decoding: Self.field(3, Self.field(1, bytes)))
    }
  }

  @Test("a string with U+0000 is refused with the name of its field", arguments: ["\0", "\0a", "a\0", "a\0b", "\0\0"])
  func embeddedNUL(string: String) {
    let bytes = Array(string.utf8)
    #expect(throws: ProtoError.containsNUL(field: "segmentation.v1.CreateSegmentRequest.slug")) {
      try CreateSegmentRequest(decoding: Self.field(1, bytes))
    }
    #expect(throws: ProtoError.containsNUL(field: "segmentation.v1.SegmentSelector.slug")) {
      try GetSegmentRequest(decoding: Self.field(1, Self.field(1, bytes)))
    }
    #expect(throws: ProtoError.containsNUL(field: "segmentation.v1.CreateSegmentRequest.slug")) {
      try CreateSegmentRequest(slug: string).encoded()
    }
    #expect(throws: ProtoError.containsNUL(field: "google.rpc.ErrorInfo.MetadataEntry.value")) {
      try GoogleRPCErrorInfo(metadata: ["key": string]).encoded()
    }
  }

  @Test("bytes may hold anything")
  func bytesHoldAnything() throws {
    let end = AuditEnd(digest: [0, 0xFF, 0, 0xC3])
    #expect(try AuditEnd(decoding: end.encoded()) == end)
  }

  @Test("a string of any length up to a megabyte survives", arguments: [0, 1, 7, 8, 15, 16, 255, 70_000, 1 << 20])
  func lengths(length: Int) throws {
    let message = CreateSegmentRequest(slug: String(repeating: "é", count: length), description: "end")
    #expect(try CreateSegmentRequest(decoding: message.encoded()) == message)
  }

  /// A length-delimited field of fewer than 128 bytes.
  static func field(_ number: UInt8, _ bytes: [UInt8]) -> [UInt8] {
    [number << 3 | 2, UInt8(bytes.count)] + bytes
  }
}
