import EventLoop
import Logging
import Metrics
import TLS

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Takes up new TLS files while the server runs: soon after they change, and at once on SIGHUP. Files that cannot be used are
/// logged, and those before them stay in use.
struct CertificateWatch: Sendable {
  private static let interval = Duration.seconds(1)
  /// From this long before its expiry on, a certificate is warned about.
  private static let warningSeconds: Int64 = 7 * 86400

  private static let expiry = MetricFamily(
    "segmentd_tls_certificate_expiry_timestamp_seconds", .gauge,
    "When the TLS certificate in use expires, in seconds since 1970")

  let identity: TLSServerIdentity
  let logger: Logger

  /// Logs which certificate is in use.
  func tell() {
    let certificate = identity.certificate
    let left = certificate.expiry - Int64(time(nil))
    let text = "the TLS certificate of \(certificate.subject) "
    switch left {
    case ..<0: logger.error("\(text)has expired; callers will refuse it")
    case ..<Self.warningSeconds: logger.warning("\(text)expires in \(left / 3600) hours")
    default: logger.info("\(text)expires in \(left / 86400) days")
    }
  }

  func collect(into set: inout MetricSet) {
    set.add(Self.expiry, identity.certificate.expiry)
  }

  /// Looks at the files now and then, until the task is cancelled.
  func run(on loop: EventLoop) async {
    let signal = SignalWatcher(SIGHUP, on: loop) { reload(onlyIfChanged: false) }
    while (try? await loop.sleep(for: Self.interval)) != nil { reload(onlyIfChanged: true) }
    withExtendedLifetime(signal) {}
  }

  private func reload(onlyIfChanged: Bool) {
    do {
      guard try identity.reload(onlyIfChanged: onlyIfChanged) else { return }
      logger.info("read the TLS files again")
      tell()
    } catch {
      logger.error("the TLS files were changed and cannot be used; those before them stay in use: \(error)")
    }
  }
}
