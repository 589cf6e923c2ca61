import CEvent

#if canImport(Glibc)
  import Glibc

  /// Calls its action once after a delay of microseconds, which a `Timer` rounds up to milliseconds. It costs a descriptor. Confined
  /// to its loop.
  package final class FineTimer: @unchecked Sendable {
    private var event: OpaquePointer?
    private let descriptor: Int32
    private let action: () -> Void
    /// Kept alive, so that the base outlives its events.
    private let loop: EventLoop

    /// - Throws: `SocketError` when there are no more descriptors.
    package init(on loop: EventLoop, _ action: @escaping () -> Void) throws(SocketError) {
      self.loop = loop
      self.action = action
      descriptor = timerfd_create(CLOCK_MONOTONIC, Int32(TFD_NONBLOCK | TFD_CLOEXEC))
      guard descriptor >= 0 else { throw SocketError.last("timerfd_create") }
      // On edges, so that nobody has to read the descriptor: it stays readable once it has fired.
      event = event_new(
        loop.base, descriptor, Int16(EV_READ | EV_PERSIST | EV_ET),
        { _, _, context in
          guard let context else { return }
          Unmanaged<FineTimer>.fromOpaque(context).takeUnretainedValue().action()
        }, Unmanaged.passUnretained(self).toOpaque())
      event.map { _ = event_add($0, nil) }
    }

    deinit {
      event.map(event_free)
      if descriptor >= 0 { close(descriptor) }
    }

    /// Sets the timer, replacing an earlier setting.
    /// - Parameter delay: Above zero, below a second.
    package func schedule(after delay: Duration) {
      var time = itimerspec()
      time.it_value.tv_nsec = Int(max(1, min(delay.components.attoseconds / 1_000_000_000, 999_999_999)))
      timerfd_settime(descriptor, 0, &time, nil)
    }
  }
#endif
