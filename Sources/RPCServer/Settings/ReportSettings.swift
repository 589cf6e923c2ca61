import ArgumentParser
import ObjectStorage

/// The bucket that reports may go to, and who we are for it.
package struct BucketSettings: Sendable {
  package let address: BucketAddress
  package let credentials: BucketCredentials
}

/// Where reports of the audit log are kept, and how they are fetched.
package struct ReportSettings: Sendable {
  /// Nil: `reports` in the data directory.
  package let directory: String?
  /// Bytes.
  package let space: Int
  /// Nil: the address of the admin port.
  package let url: String?
  /// Nil: there is none.
  package let bucket: BucketSettings?

  init(from sources: SettingsSources) throws(SettingsError) {
    directory = try sources.value(of: SettingsTable.reportDirectory)
    space = try sources.value(of: SettingsTable.reportSpace)
    url = try sources.value(of: SettingsTable.reportURL)
    bucket = try Self.bucket(from: sources)
  }

  /// A bucket needs its key, and the key its bucket: nobody shall wonder why nothing arrives.
  private static func bucket(from sources: SettingsSources) throws(SettingsError) -> BucketSettings? {
    let address = try sources.value(of: SettingsTable.reportBucket)
    let region = try sources.value(of: SettingsTable.reportBucketRegion)
    let keyID = try sources.value(of: SettingsTable.reportBucketKeyID)
    let secret = try sources.value(of: SettingsTable.reportBucketSecret)
    switch (address, keyID, secret) {
    case (let address?, let keyID?, let secret?):
      return BucketSettings(
        address: address, credentials: BucketCredentials(region: region, keyID: keyID, secret: secret))
    case (nil, nil, nil): return nil
    case (nil, _, _):
      throw SettingsError(line: "setting report-bucket: it is missing, and a key for it is given")
    case (_, nil, _):
      throw SettingsError(line: "setting report-bucket-key-id: it is missing, and report-bucket needs it")
    case (_, _, nil):
      throw SettingsError(line: "setting report-bucket-secret: it is missing, and report-bucket needs it")
    }
  }
}

extension SettingsTable {
  static let reportDirectory = Setting(
    "report-dir", .path(of: "directory"), "DIR", default: "",
    "Where reports of the audit log are kept until they expire; without it, in the data directory")
  static let reportSpace = Setting(
    "report-space", .size(1024...(1 << 50)), "SIZE", default: "1GiB", "What all reports together may take")
  static let reportURL = Setting(
    "report-url", .webAddress, "URL", default: "",
    "What the links of reports begin with, such as the proxy's address; without it, the admin port's")

  static let reportBucket = Setting(
    "report-bucket", .bucket, "URL", default: "",
    "The bucket of an S3-compatible service that reports may go to, such as https://NAME.s3.REGION.amazonaws.com/PREFIX"
  )
  static let reportBucketRegion = Setting(
    "report-bucket-region", .word("a region's name"), "NAME", default: "us-east-1",
    "The bucket's region; services without regions take us-east-1")
  static let reportBucketKeyID = Setting(
    "report-bucket-key-id", .optionalWord("the id of an access key, or nothing"), "ID", default: "",
    "The access key that may put, get and delete the bucket's objects")
  static let reportBucketSecret = Setting(
    "report-bucket-secret", .optionalWord("the secret of an access key, or nothing"), "SECRET", default: "",
    "The access key's secret; in the environment or .env, as flags can be seen by others", isSecret: true)

  static let reportEntries = [
    reportDirectory.entry, reportSpace.entry, reportURL.entry, reportBucket.entry, reportBucketRegion.entry,
    reportBucketKeyID.entry, reportBucketSecret.entry,
  ]
}

extension SettingKind where Value == String? {
  /// Without the slashes at its end; nil when empty.
  fileprivate static var webAddress: Self {
    Self(accepts: "an address that begins with http:// or https://, or nothing") { text in
      if text.isEmpty { return .some(nil) }
      guard text.hasPrefix("http://") || text.hasPrefix("https://"),
        text.utf8.allSatisfy({ (0x21...0x7e).contains($0) })
      else { return nil }
      var text = text
      while text.hasSuffix("/") { text.removeLast() }
      return .some(text)
    }
  }
}

extension SettingKind where Value == BucketAddress? {
  /// Nil when empty.
  fileprivate static var bucket: Self {
    Self(accepts: "https://HOST/PATH or http://HOST:PORT/PATH of letters, digits and -._~, or nothing") { text in
      text.isEmpty ? .some(nil) : BucketAddress(text).map { .some($0) }
    }
  }
}

extension SettingKind where Value == String {
  /// Letters, digits and hyphens.
  fileprivate static func word(_ accepts: String) -> Self {
    Self(accepts: "\(accepts) of letters, digits and hyphens") { text in
      let isWord = text.utf8.allSatisfy { byte in
        byte == UInt8(ascii: "-") || Character(UnicodeScalar(byte)).isLetter || Character(UnicodeScalar(byte)).isNumber
      }
      return text.utf8.allSatisfy { $0 < 0x80 } && isWord && (1...64).contains(text.utf8.count) ? text : nil
    }
  }
}

extension SettingKind where Value == String? {
  /// Printable characters without spaces; nil when empty.
  fileprivate static func optionalWord(_ accepts: String) -> Self {
    Self(accepts: "\(accepts), without spaces") { text in
      if text.isEmpty { return .some(nil) }
      return text.utf8.allSatisfy { (0x21...0x7e).contains($0) } && text.utf8.count <= 256 ? .some(text) : nil
    }
  }
}

/// The flags of `segmentd serve` for `ReportSettings`.
package struct ReportFlags: ParsableArguments {
  @Option(SettingsTable.reportDirectory.entry) package var reportDirectory: String?
  @Option(SettingsTable.reportSpace.entry) package var reportSpace: String?
  @Option(SettingsTable.reportURL.entry) package var reportURL: String?
  @Option(SettingsTable.reportBucket.entry) package var reportBucket: String?
  @Option(SettingsTable.reportBucketRegion.entry) package var reportBucketRegion: String?
  @Option(SettingsTable.reportBucketKeyID.entry) package var reportBucketKeyID: String?
  @Option(SettingsTable.reportBucketSecret.entry) package var reportBucketSecret: String?

  package init() {}

  var given: [String: String] {
    collect([
      (SettingsTable.reportDirectory.entry, reportDirectory), (SettingsTable.reportSpace.entry, reportSpace),
      (SettingsTable.reportURL.entry, reportURL), (SettingsTable.reportBucket.entry, reportBucket),
      (SettingsTable.reportBucketRegion.entry, reportBucketRegion),
      (SettingsTable.reportBucketKeyID.entry, reportBucketKeyID),
      (SettingsTable.reportBucketSecret.entry, reportBucketSecret),
    ])
  }
}
