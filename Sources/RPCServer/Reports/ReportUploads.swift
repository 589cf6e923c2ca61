import EventLoop
import Logging
import ObjectStorage
import Segmentation

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Takes finished reports to the bucket, one after the other, and those that have expired out of it. Confined to its loop.
///
///     made ─► waiting ─► PUT ─► READY
///                         │ ▲
///                  passes │ │ a while later, a few times
///                         ▼ │
///                        failed ─► FAILED
///
/// The requests block, so each runs on a thread of its own. What was not sent when the process ends is made anew after the next start.
final class ReportUploads: @unchecked Sendable {
  /// Between attempts; one more than these are made.
  private static let pauses: [Duration] = [.milliseconds(500), .seconds(1), .seconds(2), .seconds(4), .seconds(8)]
  private static let cleaningInterval = Duration.seconds(10)
  /// How many objects one cleaning removes.
  private static let cleanedAtOnce = 100

  private let loop: EventLoop
  private let bucket: ObjectBucket
  private let desk: ReportDesk
  private let reports: ReportStore
  private let logger: Logger
  private var waiting: [FinishedReport] = []
  private var waiter: Promise<Void>?

  init(on loop: EventLoop, to bucket: ObjectBucket, desk: ReportDesk, reports: ReportStore, logger: Logger) {
    self.loop = loop
    self.bucket = bucket
    self.desk = desk
    self.reports = reports
    self.logger = logger
  }

  /// Of the reports that are made and not sent. Bounded by how many the directory may have.
  var ids: [String] { waiting.map(\.report.id) }

  func add(_ made: FinishedReport) {
    waiting.append(made)
    waiter?.succeed(())
  }

  /// Works until its task is cancelled.
  func run() async {
    var nextCleaning = ContinuousClock.now
    while !Task.isCancelled {
      if let made = waiting.first {
        await send(made)
        if !Task.isCancelled { waiting.removeFirst() }
        continue
      }
      if nextCleaning <= .now {
        do { try await clean() } catch {
          if Task.isCancelled { return }
          logger.warning("could not remove old reports from the bucket", metadata: ["error": "\(error)"])
        }
        nextCleaning = .now + Self.cleaningInterval
      }
      await pause(for: nextCleaning - .now)
    }
  }

  private func pause(for time: Duration) async {
    guard waiting.isEmpty else { return }
    let waiter = Promise<Void>(on: loop)
    self.waiter = waiter
    let timer = Timer(on: loop) { waiter.succeed(()) }
    timer.schedule(after: max(time, .zero))
    defer { timer.cancel() }
    try? await waiter.value()
    self.waiter = nil
  }

  /// Sends it and notes what came of that, whatever it takes.
  private func send(_ made: FinishedReport) async {
    let id = made.report.id
    let path = desk.directory.file(made.report.fileName)
    let failure = await put(made, from: path)
    var pause = Duration.milliseconds(100)
    while !Task.isCancelled {
      do {
        if let failure {
          try await reports.note(id, .failed, error: failure)
        } else {
          try await reports.note(id, .ready, count: made.count, size: made.size, digest: made.digest)
        }
        unlink(path)
        return tell(made, failure)
      } catch {
        // The database is away for a moment; what was sent stays sent.
        logger.warning("could not note a report", metadata: ["report": "\(id)", "error": "\(error)"])
        try? await loop.sleep(for: pause)
        pause = min(pause * 2, .seconds(5))
      }
    }
  }

  private func tell(_ made: FinishedReport, _ failure: String?) {
    let id = Logger.MetadataValue.string(made.report.id)
    if let failure {
      logger.error("could not bring a report to the bucket", metadata: ["report": id, "error": "\(failure)"])
    } else {
      logger.info("brought a report to the bucket", metadata: ["report": id, "records": "\(made.count)"])
    }
  }

  /// - Returns: Why it failed; nil when the bucket has it.
  private func put(_ made: FinishedReport, from path: String) async -> String? {
    guard made.size <= ObjectBucket.mostBytes else {
      return "it has \(made.size) bytes, and a bucket takes \(ObjectBucket.mostBytes) at once; pack it, or ask for less"
    }
    let upload = BucketUpload(
      path: path, size: made.size, digest: made.fileDigest,
      contentType: ReportLink.contentType(of: made.report.fileName))
    var pauses = Self.pauses.makeIterator()
    while true {
      do {
        try await BlockingWork.run(on: loop) { [bucket] cancellation throws(BucketError) in
          try bucket.put(upload, as: made.report.fileName, cancellation: cancellation)
        }
        return nil
      } catch {
        guard (error as? BucketError)?.isPassing == true, let pause = pauses.next(), !Task.isCancelled else {
          return "\(error)"
        }
        logger.warning("the bucket did not take a report; trying again", metadata: ["error": "\(error)"])
        try? await loop.sleep(for: pause * Double.random(in: 0.75...1.25))
      }
    }
  }

  /// What the bucket does not remove now stays known, and is tried again.
  private func clean() async throws {
    guard desk.directory.exists else { return }
    let holder = try desk.directory.open()
    let address = bucket.address.text
    for report in try await reports.expired(of: holder, in: address, limit: Self.cleanedAtOnce) {
      try await BlockingWork.run(on: loop) { [bucket] cancellation throws(BucketError) in
        try bucket.delete(report.fileName, cancellation: cancellation)
      }
      try await reports.remove(report.id)
    }
  }
}
