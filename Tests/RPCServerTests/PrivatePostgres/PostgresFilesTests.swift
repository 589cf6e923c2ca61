import Testing

@testable import RPCServer

@Suite("What PostgreSQL's programs and files say") struct PostgresFilesTests {
  @Test(
    "the major version stands in the version line",
    arguments: [
      ("postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)", 15), ("postgres (PostgreSQL) 18beta1", 18),
      ("postgres (PostgreSQL) 16.4", 16),
    ])
  func version(_ line: String, _ major: Int) {
    #expect(PostgresInstallation.major(fromVersionLine: line) == major)
  }

  @Test(
    "a line without a version has no major version",
    arguments: ["", "postgres", "postgres (PostgreSQL)", "sh: no such file"])
  func noVersion(_ line: String) {
    #expect(PostgresInstallation.major(fromVersionLine: line) == nil)
  }

  @Test("installations are found, the newest first and each once")
  func installations() {
    let all = PostgresInstallation.findAll()
    #expect(!all.isEmpty)
    #expect(all.map(\.major) == all.map(\.major).sorted(by: >))
    #expect(Set(all.map(\.directory)).count == all.count)
  }

  @Test("the postmaster's file tells its pid, its socket and whether it is ready")
  func postmasterFile() throws {
    let file = try #require(PostmasterFile(text: "42\n/d\n1\n5432\n/s\n\n 1 2\nready   \n"))
    #expect(file.pid == 42)
    #expect(file.socketDirectory == "/s")
    #expect(file.isReady)
    #expect(try #require(PostmasterFile(text: "42\n/d\n1\n5432\n/s\n\n 1 2\nstarting\n")).isReady == false)
    #expect(try #require(PostmasterFile(text: "-42\n/d")).pid == 42)
    #expect(PostmasterFile(text: "") == nil)
    #expect(PostmasterFile(text: "0\n") == nil)
    #expect(PostmasterFile(text: "x\n") == nil)
  }

  @Test("the complaint is the last fatal line, else the last line")
  func complaint() {
    #expect(
      PostgresLog.complaint(
        in: "a\n2025-01-01 UTC [7] FATAL:  no room\n2025-01-01 UTC [7] LOG:  database system is shut down\n")
        == "no room")
    #expect(PostgresLog.complaint(in: "initdb: error: no locale\ninitdb: removing\n") == "no locale")
    #expect(PostgresLog.complaint(in: "first\nlast\n\n") == "last")
    #expect(PostgresLog.complaint(in: "") == nil)
  }

  @Test("pauses between starts grow from none to 10 seconds, and a healthy run resets them")
  func backoff() {
    var backoff = Backoff()
    let pauses = (0..<9).map { _ in backoff.next() }
    #expect(pauses.prefix(4) == [.zero, .milliseconds(100), .milliseconds(200), .milliseconds(400)])
    #expect(pauses.last == .seconds(10))
    backoff.ran(for: .seconds(29))
    #expect(backoff.next() == .seconds(10))
    backoff.ran(for: .seconds(30))
    #expect(backoff.next() == .zero)
  }
}
