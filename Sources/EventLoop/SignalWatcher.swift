import CEvent

/// Calls its action on the loop for each delivery of a signal. One loop of a process may have such watchers.
package final class SignalWatcher: @unchecked Sendable {
  private var event: OpaquePointer?
  private let action: () -> Void
  private let loop: EventLoop

  package init(_ signal: Int32, on loop: EventLoop, _ action: @escaping () -> Void) {
    self.loop = loop
    self.action = action
    event = event_new(
      loop.base, signal, Int16(EV_SIGNAL | EV_PERSIST),
      { _, _, context in
        guard let context else { return }
        Unmanaged<SignalWatcher>.fromOpaque(context).takeUnretainedValue().action()
      }, Unmanaged.passUnretained(self).toOpaque())
    event.map { _ = event_add($0, nil) }
  }

  deinit {
    event.map(event_free)
  }
}
