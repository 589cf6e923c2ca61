import ArgumentParser
import GRPC

/// Where the server is and how it is talked to; `Settings` fills in what is not given.
struct ConnectionOptions: ParsableArguments, Sendable {
  @Option(
    name: [.long, .customLong("server")],
    help: ArgumentHelp(
      "The server, or several with commas between them: the first that answers is used; SEGCTL_ADDRESS, else 127.0.0.1:7700.",
      valueName: "host:port,..."),
    transform: { try Target($0) })
  var address: Target?

  @Option(
    help: ArgumentHelp(
      "Give up after this long, such as 5s; SEGCTL_TIMEOUT, else 30s for a single call and never for a stream.",
      valueName: "duration"),
    transform: { try Span.timeout($0) })
  var timeout: Duration?

  @Flag(help: "Wait for a server while none can be reached, as long as the timeout allows.")
  var waitForReady = false

  @Option(
    help: ArgumentHelp(
      "Who the audit log names; SEGCTL_ACTOR, else the user of the operating system.", valueName: "name"),
    transform: { try Actor.check($0) })
  var actor: String?

  @Flag(
    inversion: .prefixedNo,
    help: "Call over TLS; SEGCTL_TLS=true. Any of the four options below implies it.")
  var tls: Bool?

  @Option(
    help: ArgumentHelp(
      "The authorities to trust, in PEM; SEGCTL_TLS_CA, else those of the system.",
      valueName: "file"))
  var tlsCa: String?

  @Option(
    help: ArgumentHelp(
      "The name that the server's certificate must be for; SEGCTL_TLS_SERVER_NAME, else the host of the address.",
      valueName: "name"))
  var tlsServerName: String?

  @Option(
    help: ArgumentHelp("The caller's own certificate, in PEM; SEGCTL_TLS_CERTIFICATE.", valueName: "file"))
  var tlsCertificate: String?

  @Option(
    help: ArgumentHelp(
      "Its private key, in PEM; SEGCTL_TLS_KEY, else the certificate's file holds it too.", valueName: "file"))
  var tlsKey: String?
}

/// How records are printed.
struct OutputOptions: ParsableArguments, Sendable {
  @Option(name: [.customShort("o"), .customLong("format")], help: "How to print.")
  var format = OutputFormat.table
}

/// What every change takes.
struct ChangeOptions: ParsableArguments, Sendable {
  @Option(
    help: ArgumentHelp(
      "Makes it safe to repeat: the same id again gives the same answer and changes nothing.", valueName: "id"))
  var requestID = ""

  @Flag(help: "Answer what would happen, and change nothing.")
  var validateOnly = false
}
