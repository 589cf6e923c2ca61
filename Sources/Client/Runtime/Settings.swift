import Configuration
import EventLoop
import GRPC
import TLS

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Where the server is and how it is talked to: from flags, then the environment, then `.env`, then defaults.
struct Settings: Sendable {
  static let defaultAddress = Target(Endpoint(host: "127.0.0.1", port: 7700))

  let address: Target
  /// nil when none was asked for.
  let timeout: Duration?
  let waitsForReady: Bool
  let actor: String
  /// Nil: without TLS.
  let tls: TLSContext?
  /// Nil: the address's host.
  let tlsServerName: String?

  /// - Parameter environment: The process's own when nil.
  /// - Throws: `Failure` with 78 for a value that cannot be used.
  init(
    _ options: ConnectionOptions, environment: [String: String]? = nil, file: String = ".env"
  ) async throws {
    let sources = try await Sources(environment: environment, file: file)
    address = try options.address ?? sources.value("SEGCTL_ADDRESS") { try Target($0) } ?? Self.defaultAddress
    timeout = try options.timeout ?? sources.value("SEGCTL_TIMEOUT") { try Span.timeout($0) }
    waitsForReady = options.waitForReady
    actor = try options.actor ?? sources.value("SEGCTL_ACTOR") { try Actor.check($0) } ?? Actor.current
    tlsServerName = try options.tlsServerName ?? sources.value("SEGCTL_TLS_SERVER_NAME") { $0 }
    let files = TLSClientFiles(
      ca: try options.tlsCa ?? sources.value("SEGCTL_TLS_CA") { $0 },
      certificate: try options.tlsCertificate ?? sources.value("SEGCTL_TLS_CERTIFICATE") { $0 },
      key: try options.tlsKey ?? sources.value("SEGCTL_TLS_KEY") { $0 })
    let isImplied = files != TLSClientFiles() || tlsServerName != nil
    let isWanted = try options.tls ?? sources.value("SEGCTL_TLS") { try Switch.read($0) } ?? isImplied
    tls = try isWanted ? Self.context(files) : nil
  }

  private static func context(_ files: TLSClientFiles) throws -> TLSContext {
    guard files.key == nil || files.certificate != nil else {
      throw Failure(
        .configuration, "a TLS key without its certificate: give --tls-certificate or SEGCTL_TLS_CERTIFICATE as well")
    }
    do { return try TLSContext.client(files) } catch { throw Failure(.configuration, "\(error)") }
  }

  private struct Sources {
    private let places: [(name: String, provider: EnvironmentVariablesProvider)]

    init(environment: [String: String]?, file: String) async throws {
      let process =
        environment.map { EnvironmentVariablesProvider(environmentVariables: $0) } ?? EnvironmentVariablesProvider()
      do {
        let provider = try await EnvironmentVariablesProvider(environmentFilePath: .init(file), allowMissing: true)
        places = [("the environment", process), (file, provider)]
      } catch {
        throw Failure(.configuration, "cannot read the settings in \(file): \(error)")
      }
    }

    /// An empty variable counts as one that is not there.
    func value<Value>(_ name: String, _ read: (String) throws -> Value) throws -> Value? {
      for (place, provider) in places {
        guard let text = try? provider.environmentValue(forName: name), !text.isEmpty else { continue }
        do { return try read(text) } catch { throw Failure(.configuration, "\(name) in \(place): \(error)") }
      }
      return nil
    }
  }
}

/// Something that is on or off.
enum Switch {
  struct Malformed: Error, CustomStringConvertible {
    let text: String
    var description: String { "'\(Text.printable(text))' is neither true nor false" }
  }

  static func read(_ text: String) throws(Malformed) -> Bool {
    switch text.lowercased() {
    case "true", "1", "yes", "on": return true
    case "false", "0", "no", "off": return false
    default: throw Malformed(text: text)
    }
  }
}

/// Who the server is told that the caller is.
enum Actor {
  struct Malformed: Error, CustomStringConvertible {
    let description = "an actor is 1 to 128 printable ASCII characters"
  }

  static func check(_ text: String) throws(Malformed) -> String {
    guard (1...128).contains(text.utf8.count), text.utf8.allSatisfy({ (0x20...0x7e).contains($0) }) else {
      throw Malformed()
    }
    return text
  }

  /// The user of the operating system.
  static var current: String {
    let name = getpwuid(geteuid()).map { String(cString: $0.pointee.pw_name) }
    return name.flatMap { try? check($0) } ?? "uid-\(geteuid())"
  }
}
