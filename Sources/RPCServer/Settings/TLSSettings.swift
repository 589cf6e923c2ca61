import ArgumentParser
import TLS

/// Whether calls come over TLS, and who is let in.
package struct TLSSettings: Sendable {
  /// Nil: calls come without TLS.
  package let files: TLSServerFiles?
  package let handshakeTimeout: Duration

  /// A certificate needs its key, and everything else a certificate: nobody shall believe that calls are protected.
  init(from sources: SettingsSources) throws(SettingsError) {
    let certificate = try sources.value(of: SettingsTable.tlsCertificate)
    let key = try sources.value(of: SettingsTable.tlsKey)
    let clientCA = try sources.value(of: SettingsTable.tlsClientCA)
    handshakeTimeout = try sources.value(of: SettingsTable.tlsHandshakeTimeout)
    switch (certificate, key, clientCA) {
    case (let certificate?, let key?, let clientCA):
      files = TLSServerFiles(certificate: certificate, key: key, clientCA: clientCA)
    case (nil, nil, nil): files = nil
    case (_?, nil, _): throw SettingsError(line: "setting tls-key: it is missing, and tls-certificate needs it")
    case (nil, _?, _): throw SettingsError(line: "setting tls-certificate: it is missing, and tls-key needs it")
    case (nil, nil, _?): throw SettingsError(line: "setting tls-certificate: it is missing, and tls-client-ca needs it")
    }
  }
}

extension SettingsTable {
  static let tlsCertificate = Setting(
    "tls-certificate", .path(of: "file"), "FILE", default: "",
    "The server's certificate in PEM, followed by those between it and its authority; with it, calls come over TLS only"
  )
  static let tlsKey = Setting("tls-key", .path(of: "file"), "FILE", default: "", "The certificate's private key in PEM")
  static let tlsClientCA = Setting(
    "tls-client-ca", .path(of: "file"), "FILE", default: "",
    "The authorities in PEM whose certificates callers must show; without it they need none")
  static let tlsHandshakeTimeout = Setting(
    "tls-handshake-timeout", .duration(.milliseconds(100) ... .seconds(300)), "TIME", default: "10s",
    "How long a caller may take for the TLS handshake")

  static let tlsEntries = [tlsCertificate.entry, tlsKey.entry, tlsClientCA.entry, tlsHandshakeTimeout.entry]
}

/// The flags of `segmentd serve` for `TLSSettings`.
package struct TLSFlags: ParsableArguments {
  @Option(SettingsTable.tlsCertificate.entry) package var tlsCertificate: String?
  @Option(SettingsTable.tlsKey.entry) package var tlsKey: String?
  @Option(SettingsTable.tlsClientCA.entry) package var tlsClientCA: String?
  @Option(SettingsTable.tlsHandshakeTimeout.entry) package var tlsHandshakeTimeout: String?

  package init() {}

  var given: [String: String] {
    collect([
      (SettingsTable.tlsCertificate.entry, tlsCertificate), (SettingsTable.tlsKey.entry, tlsKey),
      (SettingsTable.tlsClientCA.entry, tlsClientCA), (SettingsTable.tlsHandshakeTimeout.entry, tlsHandshakeTimeout),
    ])
  }
}
