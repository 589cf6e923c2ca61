import ArgumentParser
import GRPC

/// Official flags of interoperability clients beside those of this one's cases. Runners pass them to every client; what this one
/// cannot do is an error only when it is asked for.
struct OfficialFlags: ParsableArguments {
  @Option(name: .customLong("additional_metadata"), help: "Metadata of every call: KEY:VALUE;KEY:VALUE.")
  var additionalMetadata = ""

  @Option(name: .customLong("use_alts"), help: .hidden)
  var usesALTS = false
  @Option(name: .customLong("alts_handshaker_service_address"), help: .hidden)
  var altsHandshaker = ""
  @Option(name: .customLong("custom_credentials_type"), help: .hidden)
  var credentials = ""
  @Option(name: .customLong("service_config_json"), help: .hidden)
  var serviceConfiguration = ""
  // Only cases that this client does not have look at these.
  @Option(name: .customLong("default_service_account"), help: .hidden)
  var serviceAccount = ""
  @Option(name: .customLong("service_account_key_file"), help: .hidden)
  var serviceAccountKey = ""
  @Option(name: .customLong("oauth_scope"), help: .hidden)
  var scope = ""

  func validate() throws {
    guard !usesALTS else { throw ValidationError("--use_alts: only plain connections and --use_tls are supported.") }
    guard credentials.isEmpty else {
      throw ValidationError("--custom_credentials_type: only plain connections and --use_tls are supported.")
    }
    guard serviceConfiguration.isEmpty else { throw ValidationError("--service_config_json is not supported.") }
    _ = try metadata
  }

  /// - Throws: `ValidationError` for a pair without a colon.
  var metadata: Metadata {
    get throws {
      var metadata = Metadata()
      for pair in additionalMetadata.split(separator: ";") {
        let parts = pair.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2 else { throw ValidationError("--additional_metadata is KEY:VALUE;KEY:VALUE.") }
        let (name, value) = (String(parts[0]), String(parts[1]))
        if name.hasSuffix("-bin") {
          metadata.append(name, bytes: Array(value.utf8))
        } else {
          metadata.append(name, value)
        }
      }
      return metadata
    }
  }
}
