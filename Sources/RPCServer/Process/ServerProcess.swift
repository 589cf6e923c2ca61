import EventLoop
import GRPC
import Logging
import ObjectStorage
import Postgres
import Segmentation
import TLS

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// `segmentd serve` from its start to its end.
///
///     database ─► schema ─► loops ─► listening ─► signal ─► NOT_SERVING, calls finish ─► connections closed ─► database stopped
struct ServerProcess {
  private static let maintenanceInterval = Duration.seconds(6 * 3600)

  let settings: Settings
  let logger: Logger
  private let level: LogLevel
  /// Nil without TLS.
  private let certificate: CertificateWatch?
  private let desk: ReportDesk

  /// - Throws: `TLSError` for TLS files that cannot be used, `BucketError` for a libcurl that is too old.
  init(_ settings: Settings) throws {
    self.settings = settings
    desk = ReportDesk(
      ReportDirectory(
        settings.reports.directory ?? "\(settings.dataDirectory)/reports", limit: Int64(settings.reports.space)),
      bucket: try settings.reports.bucket.map { try ObjectBucket(at: $0.address, as: $0.credentials) })
    level = LogLevel(settings.logLevel)
    let logger = LogOutput.logger("segmentd", settings: settings, level: level)
    self.logger = logger
    certificate = try settings.tls.files.map {
      CertificateWatch(identity: try TLSServerIdentity($0), logger: logger)
    }
  }

  /// Returns when a signal has ended it.
  /// - Throws: What `CommandFailure` has a line for.
  func run() async throws {
    ProcessMetrics.begin()
    // Before anything that takes time.
    for endpoint in [settings.listen, settings.adminListen] {
      _ = try Listener.reserve(SocketAddress.resolve(endpoint)[0])
    }
    let possible = settings.connections.possibleConnections
    if possible < settings.connections.maxConnections {
      logger.warning("the system has descriptors for \(possible) connections only; see ulimit -n")
    }
    let stop = StopSignal()
    let group = try LoopGroup(count: settings.loops ?? ProcessInfo.processInfo.activeProcessorCount)
    defer { group.stop() }
    let signals = try await stop.watch(on: group.loops[0])
    defer { withExtendedLifetime(signals) {} }
    let database: Database
    do {
      database = try await Database.open(settings, loops: group.loops.count, logger: logger, stop: stop)
    } catch PrivatePostgresError.stopped where stop.isRequested { return }
    do {
      try await serve(database, on: group.loops, until: stop)
    } catch {
      await database.own?.stop()
      throw error
    }
    await database.own?.stop()
    logger.info("stopped")
  }

  private func serve(_ database: Database, on loops: [EventLoop], until stop: StopSignal) async throws {
    let services = try await makeServices(database, on: loops)
    do {
      try await prepareSchema(services[0], isOwn: database.own != nil, on: loops[0])
      try await answer(services, on: loops, until: stop)
    } catch {
      await close(services, on: loops)
      throw error
    }
    await close(services, on: loops)
  }

  private func makeServices(_ database: Database, on loops: [EventLoop]) async throws -> [LoopServices] {
    let configuration = PostgresConfiguration(settings, connectionString: database.connectionString)
    let limits = SegmentationSettings(settings)
    let bell = RolloutBell()
    let auditBell = AuditBell()
    var services: [LoopServices] = []
    for loop in loops {
      services.append(
        try await loop.perform { [logger, settings, desk] in
          LoopServices(
            on: loop, database: configuration, settings: limits, pollInterval: settings.auditPollInterval, bell: bell,
            auditBell: auditBell, offersHealth: settings.health == .on, offersReflection: settings.reflection == .on,
            desk: desk,
            logger: logger)
        })
    }
    return services
  }

  /// Our own database is brought up to date; somebody else's is only looked at.
  private func prepareSchema(_ services: LoopServices, isOwn: Bool, on loop: EventLoop) async throws {
    try await withTaskExecutorPreference(loop) {
      let migrator = Migrator(pool: services.pool)
      if isOwn {
        for number in try await migrator.up() { logger.info("applied migration \(number)") }
      } else {
        try await migrator.requireCurrent()
      }
      try await services.installation.maintain()
    }
  }

  private func answer(_ services: [LoopServices], on loops: [EventLoop], until stop: StopSignal) async throws {
    let mapping = StatusMapping(logger: logger)
    let routers = Dictionary(uniqueKeysWithValues: zip(loops.map { ObjectIdentifier($0) }, services.map(\.router)))
    let cutOffs = CutOffLog(logger)
    let calls = CallLog(logger, level: level, threshold: settings.slowCallThreshold)
    let server = try await GRPCServer(
      at: settings.listen, on: loops, configuration: ServerConfiguration(settings, tls: certificate?.identity),
      hooks: ServerHooks(
        status: { mapping.status(of: $0, in: $1) }, completed: { StatusMapping.completed($0, in: $1) },
        callEnded: { calls.ended($0, $1) }, cutOff: { cutOffs.cutOff($0, $1) },
        handshakeFailed: { [logger] in logger.debug("a TLS handshake failed: \($0)") })
    ) { routers[ObjectIdentifier($0)] ?? Router() }
    let readiness = Readiness()
    var collectors =
      server.collectors + zip(loops, services).map { loop, services in (loop, { services.collect(into: &$0) }) }
    if let certificate { collectors.append((loops[0], { certificate.collect(into: &$0) })) }
    collectors.append((loops[0], { readiness.collect(into: &$0) }))
    let metrics = MetricsGatherer(collectors)
    let admin = try await loops[0].perform { [settings, level, logger, desk] in
      try AdminServer(
        at: settings.adminListen, on: loops[0], readiness: readiness, metrics: metrics, reports: desk, level: level,
        logger: logger)
    }
    desk.baseURL = settings.reports.url ?? admin.address.map { "http://\($0)" } ?? ""
    certificate?.tell()
    announce(server, admin)
    let chores = startChores(services[0], readiness, on: loops[0])
    await stop.wait()
    logger.info("stopping; calls have \(settings.shutdownGrace) to finish")
    readiness.stop()
    for (service, loop) in zip(services, loops) { loop.execute { service.stopServing() } }
    if settings.connections.drainPause > .zero { try? await Task.sleep(for: settings.connections.drainPause) }
    for (service, loop) in zip(services, loops) { loop.execute { service.endWatching() } }
    await server.shutDown(grace: settings.shutdownGrace)
    for chore in chores { chore.cancel() }
    for chore in chores { await chore.value }
    try await loops[0].perform { admin.stop() }
  }

  /// Sweeping, rollouts, upkeep, retention, and the looks at the database: readiness goes by one, and one at what holds readers back.
  private func startChores(
    _ services: LoopServices, _ readiness: Readiness, on loop: EventLoop
  ) -> [Task<Void, Never>] {
    let interval = settings.sweepInterval
    let uploads = desk.bucket.map {
      ReportUploads(on: loop, to: $0, desk: desk, reports: services.reports, logger: logger)
    }
    let sender = uploads.map { uploads in loop.spawn { await uploads.run() } }
    let maker = loop.spawn { [desk, logger] in
      await ReportMaker(
        on: loop, desk: desk, reports: services.reports, audit: services.audit, uploads: uploads, logger: logger
      ).run()
    }
    let watch = certificate.map { certificate in loop.spawn { await certificate.run(on: loop) } }
    return [
      maker,
      loop.spawn { await services.sweeper.run(every: interval) },
      loop.spawn { await services.rollouts.run() },
      loop.spawn { await readiness.watch(services.installation, Migrator(pool: services.pool)) },
      loop.spawn { await services.hold.run() },
      loop.spawn { await services.retention?.run() },
      loop.spawn { [logger] in
        while (try? await loop.sleep(for: Self.maintenanceInterval)) != nil {
          do { try await services.installation.maintain() } catch { logger.error("upkeep failed: \(error)") }
        }
      },
    ] + [watch, sender].compactMap(\.self)
  }

  private func close(_ services: [LoopServices], on loops: [EventLoop]) async {
    for (service, loop) in zip(services, loops) {
      await withTaskExecutorPreference(loop) { await service.close() }
    }
  }

  private func announce(_ server: GRPCServer, _ admin: AdminServer) {
    let address = server.address
    let tls = certificate == nil ? "" : " --tls"
    let option = ("\(address)" == "127.0.0.1:7700" ? "" : " --address \(address)") + tls
    let adminURL = admin.address.map { "http://\($0)" } ?? ""
    Output.line("segmentd listening on \(address), metrics on \(adminURL)/metrics, readiness on \(adminURL)/readyz")
    Output.line(
      """
      Try in another terminal:
        segctl\(option) segment create BETA
        segctl\(option) user create 42
        segctl\(option) user update 42 --assign BETA=7d
        segctl\(option) user segments 42
        segctl\(option) audit stream -o csv
      """)
  }
}
