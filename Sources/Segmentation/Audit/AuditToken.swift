/// A position that callers keep and come back with. It names its database and the era it was given out in.
package struct AuditToken: Hashable, Sendable {
  package let identity: DatabaseIdentity
  package let position: AuditPosition

  package init(_ identity: DatabaseIdentity, _ position: AuditPosition) {
    self.identity = identity
    self.position = position
  }

  /// - Parameter text: As a caller gave it.
  /// - Throws: `SegmentationError.invalid` when it is not a token.
  package init(_ text: String, field: String = "token") throws(SegmentationError) {
    guard let bytes = Base64URL.decode(text), bytes.count == Self.size, bytes[0] == Self.version else {
      throw .invalid(field: field, reason: "is not an audit token")
    }
    func integer(_ offset: Int, _ size: Int) -> UInt64 {
      bytes[offset..<offset + size].reduce(0) { $0 << 8 | UInt64($1) }
    }
    identity = DatabaseIdentity(
      instance: Fingerprint.hex(Array(bytes[1..<17])), era: Int32(truncatingIfNeeded: integer(17, 4)))
    position = AuditPosition(
      era: Int32(truncatingIfNeeded: integer(21, 4)), xid: Int64(bitPattern: integer(25, 8)),
      sequence: Int64(bitPattern: integer(33, 8)))
  }

  /// What the caller is given.
  package var text: String {
    var bytes: [UInt8] = [Self.version]
    bytes.reserveCapacity(Self.size)
    var high: UInt8?
    for digit in identity.instance.utf8 {
      let value = UInt8(digit < UInt8(ascii: "a") ? digit &- UInt8(ascii: "0") : digit &- UInt8(ascii: "a") &+ 10) & 15
      if let first = high {
        bytes.append(first << 4 | value)
        high = nil
      } else {
        high = value
      }
    }
    func append<Value: FixedWidthInteger>(_ value: Value) {
      withUnsafeBytes(of: value.bigEndian) { bytes.append(contentsOf: $0) }
    }
    append(identity.era)
    append(position.era)
    append(position.xid)
    append(position.sequence)
    return Base64URL.encode(bytes)
  }

  /// The position, when the token is of this database.
  /// - Throws: `SegmentationError.invalid` when it is of another database or of another era.
  package func position(in database: DatabaseIdentity, field: String = "token") throws(SegmentationError)
    -> AuditPosition
  {
    guard identity.instance == database.instance else {
      throw .invalid(field: field, reason: "belongs to another database")
    }
    guard identity.era == database.era else {
      throw .invalid(field: field, reason: "is from before the database was restored")
    }
    return position
  }

  private static let version: UInt8 = 1
  private static let size = 41
}
