import Metrics

/// What a pool has counted. Confined to its loop.
package struct PoolStatistics {
  /// How long callers waited for a connection: those who had to, whether or not they got one.
  var waits = Histogram()
  /// Callers that were turned away because too many waited, or they waited too long.
  var refused: UInt64 = 0
  /// Connections that were made, and attempts that failed.
  var connected: UInt64 = 0
  var failed: UInt64 = 0
  /// Statements and transactions that were tried again because another one got in their way; counted by whoever does so.
  package var retries: UInt64 = 0
}

private enum Families {
  static let connections = MetricFamily(
    "segmentd_database_connections", .gauge, "Connections to PostgreSQL, by what they are doing")
  static let limit = MetricFamily(
    "segmentd_database_connections_limit", .gauge, "The most connections that may be open")
  static let waiting = MetricFamily(
    "segmentd_database_waiting", .gauge, "Callers that wait for a connection just now")
  static let waits = MetricFamily(
    "segmentd_database_wait_seconds", .histogram, "How long callers waited for a connection, of those who had to")
  static let refused = MetricFamily(
    "segmentd_database_refused_total", .counter, "Callers that were turned away without a connection")
  static let connected = MetricFamily(
    "segmentd_database_connects_total", .counter, "Attempts to connect to PostgreSQL, by how they ended")
  static let retries = MetricFamily(
    "segmentd_database_retries_total", .counter,
    "Changes that were tried again after a serialisation failure, a deadlock or another conflict")
}

extension PostgresPool {
  /// - Parameter name: What tells this pool from the process's others.
  package func collect(into set: inout MetricSet, as name: String) {
    let states: [(PoolStateMachine.Slot, String)] = [
      (.leased, "in_use"), (.idle, "idle"), (.connecting, "connecting"), (.settling, "settling"),
    ]
    for (slot, state) in states {
      set.add(Families.connections, slots(slot), ["pool": name, "state": state])
    }
    set.add(Families.limit, configuration.maximumConnections, ["pool": name])
    set.add(Families.waiting, waiting, ["pool": name])
    set.add(Families.waits, statistics.waits, ["pool": name])
    set.add(Families.refused, statistics.refused, ["pool": name])
    set.add(Families.connected, statistics.connected, ["pool": name, "result": "connected"])
    set.add(Families.connected, statistics.failed, ["pool": name, "result": "failed"])
    set.add(Families.retries, statistics.retries, ["pool": name])
  }
}
