import EventLoop
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
  private let state = Mutex(State())

  init(_ directory: ReportDirectory) {
    self.directory = directory
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

  /// Opens the directory when nobody has yet.
  /// - Throws: `ReportFailure`
  func holder() throws(ReportFailure) -> ReportHolder {
    let baseURL = baseURL
    guard !baseURL.isEmpty else { throw ReportFailure(description: "the server is not listening yet") }
    return ReportHolder(name: try directory.open(), baseURL: baseURL)
  }
}
