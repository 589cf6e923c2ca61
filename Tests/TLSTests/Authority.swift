import Foundation

/// A certificate authority in a folder of its own, made by the `openssl` program. The folder goes with it.
final class Authority: Sendable {
  struct Failed: Error { let command: [String] }

  /// A certificate and its key, both in PEM, and the authority, whose folder holds them.
  struct Identity: Sendable {
    let certificate: String
    let key: String
    let authority: Authority
  }

  let folder: URL
  let certificate: String
  private let key: String
  private static let newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]

  init() throws {
    folder = FileManager.default.temporaryDirectory.appendingPathComponent("segmentd-tls-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    certificate = folder.appendingPathComponent("authority.pem").path
    key = folder.appendingPathComponent("authority.key").path
    try Self.openssl(
      ["req", "-x509"] + Self.newKey + ["-days", "30", "-subj", "/CN=authority", "-keyout", key, "-out", certificate])
  }

  deinit {
    try? FileManager.default.removeItem(at: folder)
  }

  /// - Parameter days: How long it is valid; below zero it has expired.
  func issue(_ name: String, for names: String = "DNS:localhost,IP:127.0.0.1", days: Int = 30) throws -> Identity {
    let file = { (end: String) in self.folder.appendingPathComponent("\(name).\(end)").path }
    try Data("subjectAltName=\(names)\n".utf8).write(to: folder.appendingPathComponent("\(name).ext"))
    try Self.openssl(["req"] + Self.newKey + ["-subj", "/CN=\(name)", "-keyout", file("key"), "-out", file("csr")])
    try Self.openssl([
      "x509", "-req", "-in", file("csr"), "-CA", certificate, "-CAkey", key, "-CAcreateserial", "-days", "\(days)",
      "-extfile", file("ext"), "-out", file("pem"),
    ])
    return Identity(certificate: file("pem"), key: file("key"), authority: self)
  }

  private static func openssl(_ arguments: [String]) throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["openssl"] + arguments
    process.standardError = FileHandle.nullDevice
    process.standardOutput = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else { throw Failed(command: arguments) }
  }
}
