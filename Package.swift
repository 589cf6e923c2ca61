// swift-tools-version: 6.2
import PackageDescription

/// What every Swift target of ours is compiled with: the Swift 6 language mode comes from the tools version.
let strict: [SwiftSetting] = [
  .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
  .enableUpcomingFeature("ExistentialAny"),
  .treatAllWarnings(as: .error),
  // Classes that are confined to a loop are read and written in every callback, and no other thread is there to collide with. Debug
  // builds check it, and all tests run those.
  .unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release)),
]

/// A Swift module; `floor` modules may be imported downward only (`scripts/lint-floors` holds the list).
func module(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
  .target(name: name, dependencies: dependencies, swiftSettings: strict)
}

let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let arguments = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let configuration = Target.Dependency.product(name: "Configuration", package: "swift-configuration")

let package = Package(
  name: "segmentd",
  platforms: [.macOS("26.0")],
  products: [
    .executable(name: "segmentd", targets: ["RPCServer"]),
    .executable(name: "segctl", targets: ["Client"]),
    .executable(name: "segmentd-interop", targets: ["InteropServer"]),
    .executable(name: "segmentd-interop-client", targets: ["InteropClient"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    .package(url: "https://github.com/apple/swift-configuration", from: "1.4.0", traits: []),
  ],
  targets: [
    // C libraries, one owner each.
    .systemLibrary(name: "CEvent", pkgConfig: "libevent"),
    .systemLibrary(name: "CCrypto", pkgConfig: "libcrypto"),
    .systemLibrary(name: "CSSL", pkgConfig: "openssl"),
    .systemLibrary(name: "CNghttp2", pkgConfig: "libnghttp2"),
    .systemLibrary(name: "CPostgres", pkgConfig: "libpq"),
    .systemLibrary(name: "CZlib", pkgConfig: "zlib"),
    .systemLibrary(name: "CCurl", pkgConfig: "libcurl"),
    .systemLibrary(name: "CProtobufC", pkgConfig: "libprotobuf-c"),
    .target(name: "CProto", dependencies: ["CProtobufC"]),

    // Floor 0
    module("EventLoop", ["CEvent"]),
    module("Digest", ["CCrypto"]),
    module("Metrics"),
    module("TLS", ["CSSL"]),
    // Floor 1
    module("HTTP2", ["EventLoop", "TLS", "CNghttp2"]),
    module("Proto", ["CProto", "CProtobufC"]),
    module("ObjectStorage", ["Digest", "CCurl"]),
    // Floor 2
    module("GRPC", ["HTTP2", "TLS", "EventLoop", "Metrics", "CZlib", logging]),
    module("Postgres", ["EventLoop", "Metrics", "CPostgres", logging]),
    // Floor 3
    .target(
      name: "Segmentation",
      dependencies: ["Postgres", "EventLoop", "Digest", "Metrics", logging],
      // In the program itself, so that it needs no files beside it.
      resources: [
        .embedInCode("Migrations/0001_segmentd.up.sql"),
        .embedInCode("Migrations/0001_segmentd.down.sql"),
        .embedInCode("Migrations/0002_rollouts.up.sql"),
        .embedInCode("Migrations/0002_rollouts.down.sql"),
        .embedInCode("Migrations/0003_audit_consumers.up.sql"),
        .embedInCode("Migrations/0003_audit_consumers.down.sql"),
        .embedInCode("Migrations/0004_reports.up.sql"),
        .embedInCode("Migrations/0004_reports.down.sql"),
        .embedInCode("Migrations/0005_rollout_floors.up.sql"),
        .embedInCode("Migrations/0005_rollout_floors.down.sql"),
        .embedInCode("Migrations/0006_bucket_reports.up.sql"),
        .embedInCode("Migrations/0006_bucket_reports.down.sql"),
        .embedInCode("Migrations/0007_audit_times.up.sql"),
        .embedInCode("Migrations/0007_audit_times.down.sql"),
      ],
      swiftSettings: strict),
    module("Contract", ["GRPC", "Proto", "Digest"]),
    // Floor 4
    .executableTarget(
      name: "RPCServer",
      dependencies: [
        "Contract", "Segmentation", "GRPC", "HTTP2", "Postgres", "Proto", "TLS", "ObjectStorage", "EventLoop", "Digest",
        "Metrics", logging, arguments, configuration,
      ],
      swiftSettings: strict),
    .executableTarget(
      name: "Client",
      dependencies: ["Contract", "GRPC", "Proto", "TLS", "EventLoop", "Digest", logging, arguments, configuration],
      swiftSettings: strict),

    // Benchmarks
    .executableTarget(
      name: "load-client", dependencies: ["Contract", "GRPC", "Proto", "EventLoop", "TestSupport"],
      path: "Benchmarks/LoadClient",
      swiftSettings: strict),
    .executableTarget(
      name: "static-server", dependencies: ["Contract", "GRPC", "Proto", "EventLoop"], path: "Benchmarks/StaticServer",
      swiftSettings: strict),
    .executableTarget(
      name: "round-trips", dependencies: ["Postgres", "PostgresFixture", "EventLoop", logging],
      path: "Benchmarks/RoundTrips", swiftSettings: strict),

    // Tests; ProtoEcho is the other end of Tests/Foreign/test_messages.py.
    .executableTarget(name: "ProtoEcho", dependencies: ["Proto"], path: "Tests/ProtoEcho", swiftSettings: strict),
    .testTarget(name: "ObjectStorageTests", dependencies: ["ObjectStorage"], swiftSettings: strict),
    .testTarget(name: "ProtoTests", dependencies: ["Proto", "TestSupport"], swiftSettings: strict),
    .testTarget(name: "ContractTests", dependencies: ["Contract", "Proto"], swiftSettings: strict),
    .testTarget(
      name: "ClientTests", dependencies: ["Client", "Contract", "GRPC", "Proto", "EventLoop", arguments],
      swiftSettings: strict),
    .testTarget(
      name: "RPCServerTests",
      dependencies: [
        "RPCServer", "Segmentation", "Contract", "GRPC", "Proto", "Postgres", "EventLoop", "Metrics", logging,
        arguments,
      ],
      swiftSettings: strict),
    // What tests of several modules need: a loop to run on, random numbers that a seed brings back.
    .target(name: "TestSupport", dependencies: ["EventLoop"], path: "Tests/TestSupport", swiftSettings: strict),
    .target(
      name: "PostgresFixture", dependencies: [], path: "Tests/PostgresFixture", swiftSettings: strict),
    .testTarget(
      name: "PostgresTests", dependencies: ["Postgres", "EventLoop", "PostgresFixture", logging],
      swiftSettings: strict),
    .testTarget(
      name: "SegmentationTests",
      dependencies: ["Segmentation", "Postgres", "EventLoop", "PostgresFixture", "TestSupport", logging],
      swiftSettings: strict),

    // Tests of the runtime floors, and the small server that foreign clients and load generators talk to.
    .executableTarget(
      name: "EchoServer", dependencies: ["GRPC", "HTTP2", "TLS", "EventLoop"], path: "Tests/EchoServer",
      swiftSettings: strict),
    // gRPC's interoperability tests. The messages have a module of their own, with Proto's sources (links) compiled into it
    // once more, so that the product carries none of them and shows nothing of its C structs.
    .target(
      name: "CInteropMessages", dependencies: ["CProtobufC"], path: "Tests/Interop/CInteropMessages"),
    .target(
      name: "InteropMessages", dependencies: ["CInteropMessages", "CProto", "CProtobufC", "GRPC"],
      path: "Tests/Interop/InteropMessages", swiftSettings: strict),
    .executableTarget(
      name: "InteropServer", dependencies: ["InteropMessages", "GRPC", "TLS", "EventLoop", arguments],
      path: "Tests/Interop/InteropServer", swiftSettings: strict),
    .executableTarget(
      name: "InteropClient", dependencies: ["InteropMessages", "GRPC", "TLS", "EventLoop", arguments],
      path: "Tests/Interop/InteropClient", swiftSettings: strict),
    .testTarget(name: "MetricsTests", dependencies: ["Metrics"], swiftSettings: strict),
    // `make fuzz`
    .executableTarget(
      name: "segmentd-fuzz", dependencies: ["GRPC", "HTTP2", "EventLoop", "TestSupport", arguments], path: "Tests/Fuzz",
      swiftSettings: strict),
    .testTarget(name: "TLSTests", dependencies: ["TLS", "CSSL"], swiftSettings: strict),
    .testTarget(name: "EventLoopTests", dependencies: ["EventLoop", "TestSupport"], swiftSettings: strict),
    .testTarget(name: "HTTP2Tests", dependencies: ["HTTP2", "EventLoop", "TestSupport"], swiftSettings: strict),
    .testTarget(
      name: "GRPCTests", dependencies: ["GRPC", "HTTP2", "EventLoop", "Metrics", "CNghttp2", "TestSupport"],
      swiftSettings: strict),
  ]
)
