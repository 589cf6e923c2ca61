#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// What the private PostgreSQL is told on its command line, which wins over the cluster's own files: reachable through its
/// socket only, durable, and suited to many short statements beside one long export.
struct ClusterSettings: Sendable {
  /// Names the socket; nothing listens on TCP.
  static let port = 5432
  static let socketName = ".s.PGSQL.\(port)"

  /// What segmentd opens at most; a few more are kept for `psql` and the superuser.
  let connections: Int

  /// How libpq reaches the database by the socket in that directory.
  static func connectionString(socket: String) -> String {
    "host=\(socket) port=\(port) user=segmentd dbname=segmentd"
  }

  func arguments(socket: String) -> [String] {
    let settings: [(String, String)] = [
      ("listen_addresses", ""), ("port", "\(Self.port)"), ("unix_socket_directories", socket),
      ("unix_socket_permissions", "0700"), ("max_connections", "\(connections + 13)"),
      ("fsync", "on"), ("full_page_writes", "on"),
      ("shared_buffers", "\(Self.sharedBuffers >> 20)MB"), ("max_wal_size", "2GB"), ("checkpoint_timeout", "15min"),
      ("wal_compression", "on"), ("random_page_cost", "1.1"), ("jit", "off"),
      ("timezone", "UTC"), ("log_timezone", "UTC"), ("logging_collector", "off"), ("log_destination", "stderr"),
      ("log_line_prefix", "%m [%p] "), ("log_checkpoints", "off"),
    ]
    return settings.flatMap { ["-c", "\($0.0)=\($0.1)"] }
  }

  /// An eighth of the memory, from 128 MiB to 1 GiB.
  private static var sharedBuffers: Int {
    let memory = sysconf(Int32(_SC_PHYS_PAGES)) * sysconf(Int32(_SC_PAGESIZE))
    return min(max(memory / 8, 128 << 20), 1 << 30)
  }
}
