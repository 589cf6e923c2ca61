import EventLoop
import GRPC
import Testing

@Suite struct TargetTests {
  @Test(
    "a target is taken as people write it",
    arguments: [
      ("localhost:7700", ["localhost:7700"]), ("a:1,b:2", ["a:1", "b:2"]),
      ("[::1]:1,127.0.0.1:2", ["[::1]:1", "127.0.0.1:2"]),
      ("dns:///a.example:1", ["a.example:1"]), ("dns:a.example:1", ["a.example:1"]), ("dns:1", ["dns:1"]),
      ("ipv4:10.0.0.1:1,10.0.0.2:2", ["10.0.0.1:1", "10.0.0.2:2"]), ("ipv6:[::1]:1", ["[::1]:1"]),
    ])
  func wellFormed(_ text: String, _ endpoints: [String]) throws {
    let target = try Target(text)
    #expect(target.endpoints.map(\.description) == endpoints)
    #expect(target.description == endpoints.joined(separator: ","))
  }

  @Test(
    "what is not a target is refused",
    arguments: [
      "", ",", "a:1,", ",a:1", "a", "a:1,b", "dns://8.8.8.8/a:1", "dns:///", "ipv4:localhost:1", "ipv4:[::1]:1",
      "ipv6:127.0.0.1:1", "ipv4:10.0.0.1", "unix:/socket",
    ])
  func malformed(_ text: String) {
    let error = #expect(throws: Target.Malformed.self) { try Target(text) }
    #expect(error?.description.isEmpty == false)
  }
}
