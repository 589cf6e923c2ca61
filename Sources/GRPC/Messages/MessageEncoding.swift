import HTTP2

/// How the bytes of a compressed message are coded, as `grpc-encoding` names it (gRPC, "Compression").
package enum MessageEncoding: String, CaseIterable, Sendable {
  case gzip
  /// The format of RFC 1950, with zlib's header.
  case deflate

  /// The value of `grpc-accept-encoding`: everything that can be read here.
  package static let accepted = "gzip,deflate,identity"

  /// zlib's `windowBits`: 32 KiB, and 16 more for gzip's header.
  var windowBits: Int32 { self == .gzip ? 15 + 16 : 15 }

  /// What `grpc-encoding` says.
  enum Named {
    case identity
    case compressed(MessageEncoding)
    case unknown

    init(_ value: UnsafeRawBufferPointer) {
      // Some clients leave it empty when they do not compress.
      if value.isEmpty || value.equals("identity") {
        self = .identity
      } else if value.equals("gzip") {
        self = .compressed(.gzip)
      } else if value.equals("deflate") {
        self = .compressed(.deflate)
      } else {
        self = .unknown
      }
    }
  }

  /// The one that we like best of those that a peer's `grpc-accept-encoding` lists; nil when it takes none of ours.
  static func preferred(in value: UnsafeRawBufferPointer) -> MessageEncoding? {
    // Most clients send the list with every call: it is read where it lies.
    var best: MessageEncoding?
    for name in value.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: true) {
      let trimmed = name.drop { $0 == UInt8(ascii: " ") }.prefix { $0 != UInt8(ascii: " ") }
      guard case .compressed(let encoding) = Named(UnsafeRawBufferPointer(rebasing: trimmed)) else { continue }
      if encoding == .gzip { return .gzip }
      best = best ?? encoding
    }
    return best
  }
}

/// A message as it travels.
struct WireMessage: Sendable {
  var bytes: [UInt8]
  /// The Compressed-Flag of its prefix.
  var isCompressed: Bool
}
