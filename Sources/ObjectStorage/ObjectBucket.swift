import CCurl
import Digest
import Synchronization

/// Who we are for a bucket's service.
package struct BucketCredentials: Hashable, Sendable {
  package let region: String
  package let keyID: String
  let secret: String

  package init(region: String, keyID: String, secret: String) {
    self.region = region
    self.keyID = keyID
    self.secret = secret
  }
}

/// Ends a request from another thread, within about a second.
package final class BucketCancellation: Sendable {
  private let flag = Atomic(false)

  package init() {}

  package var isCancelled: Bool { flag.load(ordering: .relaxed) }

  package func cancel() {
    flag.store(true, ordering: .relaxed)
  }
}

/// A file to send.
package struct BucketUpload: Sendable {
  let path: String
  /// Bytes.
  let size: Int64
  /// SHA-256 of the bytes, which the service compares.
  let digest: [UInt8]
  let contentType: String

  package init(path: String, size: Int64, digest: [UInt8], contentType: String) {
    self.path = path
    self.size = size
    self.digest = digest
    self.contentType = contentType
  }
}

/// A bucket of an S3-compatible service, through libcurl and its signing. Every request blocks: call on a thread that may.
package struct ObjectBucket: Sendable {
  /// What a service takes in one request: 5 GiB.
  package static let mostBytes: Int64 = 5 << 30
  /// The first version whose signatures S3 accepts for every request of ours: 7.87.
  private static let oldestVersion: UInt32 = 0x07_57_00

  package let address: BucketAddress
  private let credentials: BucketCredentials

  /// - Throws: `unusable` for a libcurl that is too old.
  package init(at address: BucketAddress, as credentials: BucketCredentials) throws(BucketError) {
    guard ccurl_version() >= Self.oldestVersion else {
      throw .unusable(reason: "\(String(cString: curl_version())) is too old for a bucket; it takes 7.87")
    }
    self.address = address
    self.credentials = credentials
  }

  /// Sends a file; nobody sees the object before it is whole, and one of that name is replaced.
  /// - Parameter name: Letters, digits and `-._~` only.
  package func put(
    _ upload: BucketUpload, as name: String, cancellation: BucketCancellation
  ) throws(BucketError) {
    let transfer = try Transfer(to: address.url(of: name), credentials, cancellation)
    try transfer.send(upload)
    try transfer.perform()
  }

  /// Removes an object; one that is not there is no error.
  package func delete(_ name: String, cancellation: BucketCancellation) throws(BucketError) {
    let transfer = try Transfer(to: address.url(of: name), credentials, cancellation)
    try transfer.delete()
    do { try transfer.perform() } catch .refused(status: 404, _) {}
  }

  /// A link to an object that needs no other permission until it ends.
  /// - Parameters:
  ///   - time: When it begins, seconds since 1970. The same one gives the same link.
  ///   - seconds: How long it is good for; 7 days at most.
  package func link(to name: String, from time: Int64, for seconds: Int64) throws(SHA256.Unavailable) -> String {
    try PresignedLink(address: address, credentials: credentials).url(of: name, from: time, for: seconds)
  }
}
