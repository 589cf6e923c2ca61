import EventLoop

/// Runs the handlers that a turn of the loop has made ready. Confined to its loop.
///
/// Making a task costs more than all else that a small call needs, and most handlers answer without waiting for anything. So one task
/// runs them one after the other, and belongs to the first one that does wait; the rest go on in a new one:
///
///     task 1: A, B, C waits …………… C returns
///     task 2:          D, E, F
final class HandlerRunner: @unchecked Sendable {
  private let loop: EventLoop
  private var ready: [ServerStream] = []
  private var next = 0
  /// The one that runs just now.
  private var current: ServerStream?
  private var isScheduled = false

  init(on loop: EventLoop) {
    self.loop = loop
  }

  /// Runs the stream's handler later in this turn.
  func run(_ stream: ServerStream) {
    ready.append(stream)
    guard !isScheduled else { return }
    isScheduled = true
    loop.execute { self.runAll() }
  }

  private func runAll() {
    while next < ready.count {
      let task = Task.immediate(executorPreference: loop) { await self.work() }
      // All have returned, or this one waits.
      current.take()?.waits(in: task)
    }
    ready.removeAll(keepingCapacity: ready.capacity <= 1024)
    next = 0
    isScheduled = false
  }

  private func work() async {
    while next < ready.count {
      let stream = ready[next]
      next += 1
      current = stream
      await stream.runHandler()
      // It has waited meanwhile: the others have another task.
      guard current === stream else { return }
      current = nil
    }
  }
}
