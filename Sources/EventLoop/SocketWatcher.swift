import CEvent

/// Tells when a descriptor can be read or written. Confined to its loop; frees its events in `deinit`.
///
/// The descriptor may belong to somebody else (libpq's sockets do); it must outlive the watcher.
package final class SocketWatcher: @unchecked Sendable {
  private var readEvent: OpaquePointer?
  /// Made when it is first wanted: most sockets always take what they are given, and an event costs an idle one memory.
  private var writeEvent: OpaquePointer?
  private let descriptor: Int32
  private let onReadable: () -> Void
  private let onWritable: () -> Void
  /// Kept alive, so that the base outlives its events.
  private let loop: EventLoop

  /// Whether `onReadable` is called, once a turn, while there is something to read.
  package var watchesReading = false {
    didSet { if watchesReading != oldValue { Self.set(readEvent, watchesReading) } }
  }

  /// Whether `onWritable` is called, once a turn, while there is room to write.
  package var watchesWriting = false {
    didSet {
      guard watchesWriting != oldValue else { return }
      if writeEvent == nil { writeEvent = makeWriteEvent() }
      Self.set(writeEvent, watchesWriting)
    }
  }

  package convenience init(
    _ socket: Socket, on loop: EventLoop, onReadable: @escaping () -> Void, onWritable: @escaping () -> Void
  ) {
    self.init(descriptor: socket.descriptor.raw, on: loop, onReadable: onReadable, onWritable: onWritable)
  }

  package init(
    descriptor: Int32, on loop: EventLoop, onReadable: @escaping () -> Void, onWritable: @escaping () -> Void
  ) {
    self.loop = loop
    self.descriptor = descriptor
    self.onReadable = onReadable
    self.onWritable = onWritable
    let me = Unmanaged.passUnretained(self).toOpaque()
    readEvent = event_new(
      loop.base, descriptor, Int16(EV_READ | EV_PERSIST),
      { _, _, context in
        guard let context else { return }
        Unmanaged<SocketWatcher>.fromOpaque(context).takeUnretainedValue().onReadable()
      }, me)
  }

  private func makeWriteEvent() -> OpaquePointer? {
    event_new(
      loop.base, descriptor, Int16(EV_WRITE | EV_PERSIST),
      { _, _, context in
        guard let context else { return }
        Unmanaged<SocketWatcher>.fromOpaque(context).takeUnretainedValue().onWritable()
      }, Unmanaged.passUnretained(self).toOpaque())
  }

  deinit {
    readEvent.map(event_free)
    writeEvent.map(event_free)
  }

  /// Stops both; callable from within the callbacks.
  package func stop() {
    watchesReading = false
    watchesWriting = false
  }

  private static func set(_ event: OpaquePointer?, _ isOn: Bool) {
    guard let event else { return }
    if isOn { event_add(event, nil) } else { event_del(event) }
  }
}
