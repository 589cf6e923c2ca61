import EventLoop

/// Runs `body` as a task of a new loop that has a thread of its own.
package func withLoop<Result: Sendable>(
  _ body: @escaping @Sendable (EventLoop) async throws -> Result
) async throws -> Result {
  let loop = try EventLoop(name: "test")
  let thread = try loop.start()
  let result = await Task(executorPreference: loop) { try await body(loop) }.result
  loop.stop()
  thread.join()
  return try result.get()
}
