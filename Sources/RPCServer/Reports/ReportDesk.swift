import EventLoop
import ObjectStorage
import Segmentation
import Synchronization

/// Where the process's reports are ordered and fetched: what all loops know about them. Callable from any thread.
final class ReportDesk: Sendable {
  private struct State {
    var baseURL = ""
    var key: [UInt8]?
    var onOrder: (@Sendable () -> Void)?
  }

  let directory: ReportDirectory
  /// Nil when the server has none.
  let bucket: ObjectBucket?
  private let state = Mutex(State())

  init(_ directory: ReportDirectory, bucket: ObjectBucket? = nil) {
    self.directory = directory
    self.bucket = bucket
  }

  /// What links begin with.
  var baseURL: String {
    get { state.withLock { $0.baseURL } }
    set { state.withLock { $0.baseURL = newValue } }
  }

  /// What links are signed with; nil until the maker has asked the database for it.
  var key: [UInt8]? {
    get { state.withLock { $0.key } }
    set { state.withLock { $0.key = newValue } }
  }

  /// Sets what is called when a report was ordered.
  func setOrderHandler(_ handler: @escaping @Sendable () -> Void) {
    state.withLock { $0.onOrder = handler }
  }

  /// Tells the maker that there is something to do.
  func ordered() {
    state.withLock { $0.onOrder }?()
  }

  /// Opens the directory when nobody has yet; what goes to a bucket is written there first.
  /// - Throws: `ReportFailure`
  func holder(for destination: ReportDestination) throws(ReportFailure) -> ReportHolder {
    let base: String
    switch destination {
    case .server:
      base = baseURL
      guard !base.isEmpty else { throw ReportFailure(description: "the server is not listening yet") }
    case .bucket:
      guard let bucket else { throw ReportFailure(description: "this server has no bucket for reports") }
      base = bucket.address.text
    }
    return ReportHolder(name: try directory.open(), baseURL: base)
  }
}
