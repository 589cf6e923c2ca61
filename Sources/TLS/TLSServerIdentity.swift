import CSSL
import Synchronization

/// Who a server is, as its files say it: read when made, and again when they change. Callable from any thread.
///
/// New connections use what was read last; those that are open keep what they began with.
package final class TLSServerIdentity: Sendable {
  private struct State {
    var context: TLSContext
    var certificate: Certificate
    /// What the files looked like before they were read.
    var stamps: [FileStamp]
  }

  package let files: TLSServerFiles
  private let state: Mutex<State>

  /// - Throws: `TLSError.file`
  package init(_ files: TLSServerFiles) throws(TLSError) {
    self.files = files
    let stamps = files.paths.map { FileStamp($0) }
    let (context, certificate) = try TLSContext.server(files)
    state = Mutex(State(context: context, certificate: certificate, stamps: stamps))
  }

  /// What new connections use.
  package var context: TLSContext { state.withLock { $0.context } }

  /// The server's own certificate.
  package var certificate: Certificate { state.withLock { $0.certificate } }

  /// Reads the files again; when that fails, all stays as it was.
  /// - Parameter onlyIfChanged: Does nothing while the files look as they did the last time.
  /// - Returns: Whether they were read.
  /// - Throws: `TLSError.file`; with `onlyIfChanged`, once for each change.
  package func reload(onlyIfChanged: Bool) throws(TLSError) -> Bool {
    let stamps = files.paths.map { FileStamp($0) }
    let isNew = state.withLock { state in
      defer { state.stamps = stamps }
      return state.stamps != stamps
    }
    guard isNew || !onlyIfChanged else { return false }
    let (context, certificate) = try TLSContext.server(files)
    state.withLock { state in
      state.context = context
      state.certificate = certificate
    }
    return true
  }
}
