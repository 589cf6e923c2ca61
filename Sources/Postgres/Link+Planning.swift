/// The server plans a statement by the settings of its session. They are changed when a statement is to be planned in another way than the
/// one before it, in its round trip, and stay so: most connections see only one kind of statements for a long time.
extension Link {
  /// All that any planning sets.
  private static let names = [
    "plan_cache_mode", "enable_seqscan", "enable_bitmapscan", "enable_hashjoin", "enable_mergejoin",
    "cpu_index_tuple_cost",
  ]
  /// NULL: as the session began.
  private static let automatic = setting([nil, nil, nil, nil, nil, nil])
  /// Going through the whole index of a table that is small as yet is to look expensive, beside looking things up in it.
  private static let once = setting(["force_generic_plan", "off", "off", "off", "off", "1"])
  private static let anew = setting(["force_custom_plan", nil, nil, nil, nil, nil])

  private static func setting(_ values: [String?]) -> String {
    let calls = zip(names, values).map { name, value in
      "set_config('\(name)', \(value.map { "'\($0)'" } ?? "NULL"), false)"
    }
    return "SELECT " + calls.joined(separator: ", ")
  }

  /// Before a script, which knows of no plans of ours.
  static let automaticScript = names.map { "RESET \($0);" }.joined()

  /// Puts the settings on the wire, if the server has others.
  func plan(_ wanted: Statement.Planning) throws {
    guard planning != wanted else { return }
    let command =
      switch wanted {
      case .automatic: Self.automatic
      case .once: Self.once
      case .anew: Self.anew
      }
    try send(command, as: .control)
    planning = wanted
  }
}
