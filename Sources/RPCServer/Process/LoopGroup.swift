import EventLoop

/// The event loops of the process, each on its thread.
final class LoopGroup: Sendable {
  let loops: [EventLoop]
  private let threads: [LoopThread]

  /// - Throws: `SocketError` when the system has no descriptors or threads left.
  init(count: Int) throws(SocketError) {
    var loops: [EventLoop] = []
    var threads: [LoopThread] = []
    for index in 0..<max(1, count) {
      let loop = try EventLoop(name: "loop-\(index)")
      loops.append(loop)
      threads.append(try loop.start())
    }
    self.loops = loops
    self.threads = threads
  }

  /// Stops the loops and waits for their threads. Call from outside of them.
  func stop() {
    for loop in loops { loop.stop() }
    for thread in threads { thread.join() }
  }
}
