/// One numbered step of the schema, with its way back. The files under `Migrations` are part of the program.
package struct Migration: Sendable {
  /// From 1 on, rising.
  package let number: Int
  /// As in the file's name.
  package let name: String
  let up: String
  let down: String
  /// SHA-256 of the way up: an applied file must never change.
  let checksum: String

  private init(_ number: Int, _ name: String, up: [UInt8], down: [UInt8]) throws(SegmentationError) {
    self.number = number
    self.name = name
    self.up = String(decoding: up, as: UTF8.self)
    self.down = String(decoding: down, as: UTF8.self)
    checksum = try Fingerprint.hex(of: self.up)
  }

  /// All that this program knows, in their order.
  /// - Throws: `SegmentationError.internal` when the system offers no SHA-256.
  static func all() throws(SegmentationError) -> [Migration] {
    [
      try Migration(
        1, "segmentd", up: PackageResources._001_segmentd_up_sql, down: PackageResources._001_segmentd_down_sql),
      try Migration(
        2, "rollouts", up: PackageResources._002_rollouts_up_sql, down: PackageResources._002_rollouts_down_sql),
      try Migration(
        3, "audit_consumers", up: PackageResources._003_audit_consumers_up_sql,
        down: PackageResources._003_audit_consumers_down_sql),
      try Migration(
        4, "reports", up: PackageResources._004_reports_up_sql, down: PackageResources._004_reports_down_sql),
      try Migration(
        5, "rollout_floors", up: PackageResources._005_rollout_floors_up_sql,
        down: PackageResources._005_rollout_floors_down_sql),
      try Migration(
        6, "bucket_reports", up: PackageResources._006_bucket_reports_up_sql,
        down: PackageResources._006_bucket_reports_down_sql),
      try Migration(
        7, "audit_times", up: PackageResources._007_audit_times_up_sql,
        down: PackageResources._007_audit_times_down_sql),
    ]
  }
}
