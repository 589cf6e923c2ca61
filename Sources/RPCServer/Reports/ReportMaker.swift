import EventLoop
import Logging
import Segmentation

/// Makes the reports that were ordered here, one after the other, and removes those that have expired. Confined to its loop.
///
/// What it has begun with when the process ends it makes anew after the next start.
final class ReportMaker: @unchecked Sendable {
  /// How many records are read at once.
  private static let chunk = 16_384
  private static let cleaningInterval = Duration.seconds(10)
  private static let noteInterval = Duration.seconds(1)

  private let loop: EventLoop
  private let desk: ReportDesk
  private let reports: ReportStore
  private let audit: AuditStore
  /// Nil without a bucket.
  private let uploads: ReportUploads?
  private let logger: Logger
  private var isReconciled = false
  private var isWanted = false
  private var waiter: Promise<Void>?

  init(
    on loop: EventLoop, desk: ReportDesk, reports: ReportStore, audit: AuditStore, uploads: ReportUploads?,
    logger: Logger
  ) {
    self.uploads = uploads
    self.loop = loop
    self.desk = desk
    self.reports = reports
    self.audit = audit
    self.logger = logger
    desk.setOrderHandler { [weak self] in
      guard let self else { return }
      loop.executeNow { self.wake() }
    }
  }

  /// Works until its task is cancelled. What goes wrong is logged and tried again.
  func run() async {
    while !Task.isCancelled {
      isWanted = false
      do {
        if desk.key == nil { desk.key = try await reports.key() }
        if desk.directory.exists { try await work(desk.directory.open()) }
      } catch {
        if Task.isCancelled { return }
        logger.warning("could not look after the reports", metadata: ["error": "\(error)"])
      }
      await pause()
    }
  }

  private func wake() {
    isWanted = true
    waiter?.succeed(())
  }

  private func pause() async {
    guard !isWanted else { return }
    let waiter = Promise<Void>(on: loop)
    self.waiter = waiter
    let timer = Timer(on: loop) { waiter.succeed(()) }
    timer.schedule(after: Self.cleaningInterval)
    defer { timer.cancel() }
    try? await waiter.value()
    self.waiter = nil
  }

  private func work(_ holder: String) async throws {
    try await reports.forgetExpired(of: holder)
    let living = try await reports.living(of: holder)
    desk.directory.removeAll(but: Set(living.filter { !$0.isInBucket }.map(\.fileName)))
    if !isReconciled { try await reconcile(living) }
    while !Task.isCancelled, let report = try await reports.take(of: holder, but: uploads?.ids ?? []) {
      try await make(report)
    }
  }

  /// A report whose file did not survive a crash of the machine is made anew.
  private func reconcile(_ living: [Report]) async throws {
    for report in living where report.state == .ready && !report.isInBucket {
      guard desk.directory.size(of: report.fileName) != report.size else { continue }
      try await reports.note(report.id, .pending)
    }
    isReconciled = true
  }

  private func make(_ report: Report) async throws {
    do {
      let writer = try ReportWriter(report, in: desk.directory)
      try await fill(writer, report)
      let made = try writer.finish()
      guard report.destination == .server else { return try await send(made) }
      try await reports.note(report.id, .ready, count: made.count, size: made.size, digest: made.digest)
      logger.info("made a report", metadata: ["report": "\(report.id)", "records": "\(made.count)"])
    } catch let failure as ReportFailure {
      logger.error("could not make a report", metadata: ["report": "\(report.id)", "error": "\(failure)"])
      try await reports.note(report.id, .failed, error: failure.description)
    }
  }

  /// It is ready when the bucket has it.
  private func send(_ made: FinishedReport) async throws {
    guard let uploads else { throw ReportFailure(description: "this server has no bucket for reports any more") }
    try await reports.note(made.report.id, .running, count: made.count, size: made.size)
    uploads.add(made)
  }

  /// A piece of text is all that is held, and written before the loop does anything else for long.
  private func fill(_ writer: ReportWriter, _ report: Report) async throws {
    let (start, bound) = try await audit.narrowed(audit.bound(), to: report.filter)
    var noted = ContinuousClock.now
    var scan = AuditScan(position: start)
    repeat {
      try Task.checkCancellation()
      var failure: (any Error)?
      scan = try await audit.scan(
        after: scan.position, to: bound, limit: Self.chunk, filter: report.filter, inPieces: scan.goesInPieces
      ) { row in
        guard failure == nil else { return }
        do { try writer.add(row) } catch { failure = error }
      }
      if let failure { throw failure }
      if ContinuousClock.now - noted > Self.noteInterval {
        noted = .now
        try await reports.note(report.id, .running, count: writer.count, size: writer.size)
      }
    } while !scan.isComplete
  }
}

extension Report {
  /// Whether its file is no longer needed here.
  fileprivate var isInBucket: Bool { destination == .bucket && (state == .ready || state == .failed) }
}
