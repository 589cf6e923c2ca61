import HTTP2
import Testing

@testable import GRPC

@Suite struct PercentEncodingTests {
  private func decode(_ text: String) -> String { Array(text.utf8).withUnsafeBytes { PercentEncoding.decode($0) } }

  @Test(
    "messages become printable ASCII and come back",
    arguments: [
      ("", ""), ("plain text ~ !", "plain text ~ !"), ("100%", "100%25"), ("a\nb", "a%0Ab"), ("\u{e9}", "%C3%A9"),
      ("\u{1F600}", "%F0%9F%98%80"), ("\u{7f}", "%7F"), ("%41", "%2541"),
    ])
  func roundTrip(_ text: String, _ encoded: String) {
    #expect(PercentEncoding.encode(text) == encoded)
    #expect(decode(encoded) == text)
  }

  @Test("what is no escape stands for itself", arguments: ["%", "%4", "a%zz", "%%", "%4g"])
  func malformed(_ text: String) {
    #expect(decode(text) == text)
  }

  @Test("lower-case escapes are taken, and an escape at the very end")
  func lowerCase() {
    #expect(decode("%c3%a9") == "\u{e9}")
    #expect(decode("x%41") == "xA")
  }
}

@Suite struct TimeoutTests {
  private func parse(_ text: String) -> Duration? { Array(text.utf8).withUnsafeBytes { Timeout.parse($0) } }

  @Test(
    "every unit is understood",
    arguments: [
      ("1H", Duration.seconds(3600)), ("2M", .seconds(120)), ("3S", .seconds(3)), ("4m", .milliseconds(4)),
      ("5u", .microseconds(5)), ("6n", .nanoseconds(6)), ("99999999H", .seconds(99_999_999 * 3600)), ("0S", .zero),
    ])
  func units(_ text: String, _ duration: Duration) {
    #expect(parse(text) == duration)
  }

  @Test(
    "malformed values are refused", arguments: ["", "S", "1", "1s", "-1S", "+1S", "1.5S", "123456789S", " 1S", "1 S"])
  func malformed(_ text: String) {
    #expect(parse(text) == nil)
  }

  @Test(
    "a duration is written in at most eight digits, never longer than it is",
    arguments: [
      Duration.zero, .nanoseconds(1), .microseconds(1), .milliseconds(30), .seconds(99), .seconds(100),
      .seconds(86_400),
      .seconds(99_999_999), .seconds(100_000_000), .seconds(Int64.max), .seconds(-5),
    ])
  func format(_ duration: Duration) throws {
    let text = Timeout.format(duration)
    #expect(text.utf8.count <= 9)
    let back = try #require(parse(text))
    #expect(back <= max(duration, .zero))
    if duration >= .microseconds(1), duration <= .seconds(99_999_999 * 3600) {
      #expect(back >= duration * 0.999)
    }
  }
}

@Suite struct MetadataTests {
  @Test("bytes travel as base64 without padding, and are read with or without it")
  func base64() {
    for count in 0..<20 {
      let bytes = (0..<count).map { UInt8($0 * 37 & 255) }
      let text = Base64.encode(bytes)
      #expect(!text.contains("="))
      #expect(Base64.decode(text) == bytes)
      let padded = text + String(repeating: "=", count: (4 - text.count % 4) % 4)
      #expect(Base64.decode(padded) == bytes)
    }
  }

  @Test("what is not base64 is nil", arguments: ["!", "A", "AAAAA", "=", "====", "A===", "AA=", "A=A=", "\u{e9}"])
  func notBase64(_ text: String) {
    #expect(Base64.decode(text) == nil)
  }

  @Test("names are lower case, repeat, and the first one is found")
  func names() {
    var metadata = Metadata(["X-One": "1", "x-one": "2"])
    metadata.append("Data-BIN", bytes: [0, 255])
    #expect(metadata.fields.map(\.name) == ["x-one", "x-one", "data-bin"])
    #expect(metadata["x-one"] == "1")
    #expect(metadata.bytes("data-bin") == [0, 255])
    #expect(metadata.bytes("absent-bin") == nil)
  }

  @Test(
    "what the specification allows can be sent",
    arguments: [
      ("x", ""), ("x_1-2.y", "a ~!%"), ("x-bin", ""), ("x-bin", "AA=="), ("x-bin", "AA,AAE"), ("X-Upper", "1"),
    ])
  func sendable(_ name: String, _ value: String) throws {
    try Metadata([name: value]).check()
  }

  @Test(
    "what has no form on the wire cannot be sent",
    arguments: [
      ("", "1"), (":path", "/x"), ("a b", "1"), ("\u{e9}", "1"), ("x", "1\n2"), ("x", "1\r"), ("x", "\0"), ("x", "\t"),
      ("x", "\u{7f}"), ("x", "\u{e9}"), ("x", " 1"), ("x", "1 "), ("x-bin", "!"), ("x-bin", "AA,A"), ("x-bin", "AA\n"),
    ])
  func unsendable(_ name: String, _ value: String) {
    #expect(throws: UnsendableMetadata.self) { try Metadata(["fine": "1", name: value]).check() }
  }
}

@Suite struct StatusCodeTests {
  @Test("codes are named as gRPC names them, unknown ones survive")
  func names() {
    #expect(StatusCode.ok.description == "OK")
    #expect(StatusCode.internalError.description == "INTERNAL")
    #expect(StatusCode.unauthenticated.description == "UNAUTHENTICATED")
    #expect(StatusCode(rawValue: 17).description == "CODE_17")
    #expect(StatusCode(rawValue: -1).description == "CODE_-1")
  }

  @Test(
    "an HTTP status that is not gRPC's is mapped as the specification says",
    arguments: [
      (400, StatusCode.internalError), (401, .unauthenticated), (403, .permissionDenied), (404, .unimplemented),
      (429, .unavailable), (502, .unavailable), (503, .unavailable), (504, .unavailable), (200, .unknown),
      (500, .unknown),
    ])
  func httpStatus(_ status: Int, _ code: StatusCode) {
    #expect(StatusCode(httpStatus: status) == code)
  }
}
