import HTTP2

/// What a handler has asked for its answer: metadata and compression.
struct ServerAnswer {
  private static let plainHeaders = PreparedHeaders([
    ":status": "200", "content-type": "application/grpc", "grpc-accept-encoding": "gzip,deflate,identity",
  ])

  var initialMetadata = Metadata()
  var trailingMetadata = Metadata()
  /// Nil: as the server's configuration says.
  var compresses: Bool?
  /// What the headers said that messages are compressed with.
  private(set) var encoding: MessageEncoding?

  /// Sends the headers.
  /// - Parameter accepted: What the caller takes.
  mutating func respond(on stream: HTTP2Stream, accepted: MessageEncoding?, compressesByDefault: Bool) {
    encoding = compresses ?? compressesByDefault ? accepted : nil
    guard encoding != nil || !initialMetadata.isEmpty else { return stream.respond(Self.plainHeaders) }
    var headers: HeaderBlock = [
      ":status": "200", "content-type": "application/grpc", "grpc-accept-encoding": MessageEncoding.accepted,
    ]
    if let encoding { headers.append("grpc-encoding", encoding.rawValue) }
    initialMetadata.write(to: &headers)
    stream.respond(headers)
  }

  /// How to compress one message.
  /// - Parameters:
  ///   - wanted: What its writer says about this one.
  ///   - threshold: The least bytes that are worth it when nobody has asked for compression.
  func compression(_ wanted: Bool?, _ codec: MessageCodec, threshold: Int) -> MessageCompression? {
    guard let encoding, wanted ?? true else { return nil }
    let isAskedFor = wanted == true || compresses == true
    return MessageCompression(codec: codec, encoding: encoding, threshold: isAskedFor ? nil : threshold)
  }
}
