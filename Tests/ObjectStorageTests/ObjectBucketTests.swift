import Testing

@testable import ObjectStorage

@Suite("The address of a bucket") struct BucketAddressTests {
  @Test(
    "is written without its scheme's port and without a slash at its end",
    arguments: [
      ("https://Reports.S3.amazonaws.com", "https://reports.s3.amazonaws.com"),
      ("https://s3.example:443/reports/", "https://s3.example/reports"),
      ("http://127.0.0.1:80/a", "http://127.0.0.1/a"),
      ("http://minio:9000/a/b-c_d.e~/", "http://minio:9000/a/b-c_d.e~"),
      ("https://s3.example:80", "https://s3.example:80"),
    ])
  func normalised(_ given: String, _ expected: String) {
    #expect(BucketAddress(given)?.text == expected)
  }

  @Test(
    "is nothing that a signature could be made for in two ways",
    arguments: [
      "", "s3.example/reports", "ftp://s3.example/a", "https:s3.example", "https://", "https:///reports",
      "https://user:secret@s3.example/a", "https://s3.example/a?x=1", "https://s3.example/a#b",
      "https://s3.example/a//b",
      "https://s3.example/../a", "https://s3.example/./a", "https://s3.example/a%20b", "https://s3.example/a b",
      "https://s3.example:0/a", "https://s3.example:65536/a", "https://s3.example:+1/a", "https://s3.example:/a",
      "https://ä.example/a", "https://s3.example/a\r\nHost: other",
    ])
  func refused(_ text: String) {
    #expect(BucketAddress(text) == nil)
  }
}

@Suite("A presigned link") struct PresignedLinkTests {
  private let credentials = BucketCredentials(
    region: "us-east-1", keyID: "AKIAIOSFODNN7EXAMPLE", secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")

  @Test("is the one of the S3 API reference")
  func reference() throws {
    let address = try #require(BucketAddress("https://examplebucket.s3.amazonaws.com"))
    let url = try PresignedLink(address: address, credentials: credentials).url(
      of: "test.txt", from: 1_369_353_600, for: 86400)
    #expect(
      url == """
        https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256\
        &X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z\
        &X-Amz-Expires=86400&X-Amz-SignedHeaders=host\
        &X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404
        """)
  }

  @Test("is never good for longer than services take")
  func longest() throws {
    let address = try #require(BucketAddress("https://s3.example/reports"))
    let url = try PresignedLink(address: address, credentials: credentials).url(of: "a", from: 0, for: 604_801)
    #expect(url.contains("X-Amz-Date=19700101T000000Z&X-Amz-Expires=604800&"))
  }

  @Test("escapes what a key's name may have")
  func escapes() {
    #expect(AddressEncoding.escaped("a/b+ä~") == "a%2Fb%2B%C3%A4~")
  }
}

@Suite("An error of a bucket") struct BucketErrorTests {
  @Test("is tried again only when it may pass")
  func passing() {
    for status in [500, 502, 503, 504, 408, 429] { #expect(BucketError.refused(status: status, code: "").isPassing) }
    for status in [301, 400, 403, 404, 412] { #expect(!BucketError.refused(status: status, code: "").isPassing) }
    #expect(BucketError.unreachable(reason: "").isPassing && !BucketError.cancelled.isPassing)
  }
}
