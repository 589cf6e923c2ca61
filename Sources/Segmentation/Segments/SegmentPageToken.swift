/// Where a page of segments ends, and of which list.
struct SegmentPageToken: Hashable, Sendable {
  let lastSlug: String
  let prefix: String

  init(lastSlug: String, prefix: String) {
    self.lastSlug = lastSlug
    self.prefix = prefix
  }

  /// - Parameter text: As a caller gave it; empty before the first page.
  /// - Throws: `SegmentationError.invalid` when it is not a token of the list with that prefix.
  init(_ text: String, prefix: String) throws(SegmentationError) {
    self.prefix = prefix
    if text.isEmpty {
      lastSlug = ""
      return
    }
    guard let bytes = Base64URL.decode(text), let decoded = String(validating: bytes, as: UTF8.self) else {
      throw Self.malformed
    }
    let parts = decoded.split(separator: "\n", omittingEmptySubsequences: false)
    guard parts.count == 3, parts[0] == "s1", Slug.complaint(about: String(parts[2])) == nil else {
      throw Self.malformed
    }
    guard parts[1] == prefix else { throw .invalid(field: "page_token", reason: "belongs to another list") }
    lastSlug = String(parts[2])
  }

  /// What the caller is given.
  var text: String { Base64URL.encode(Array("s1\n\(prefix)\n\(lastSlug)".utf8)) }

  private static let malformed = SegmentationError.invalid(field: "page_token", reason: "is not a page token")
}
