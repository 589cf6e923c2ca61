import Proto

/// The protos as server reflection looks them up; made once, and the same for all loops.
struct ReflectionCatalog: Sendable {
  private struct File: Sendable {
    let descriptor: [UInt8]
    let imports: [String]
  }

  static let shared = ReflectionCatalog(ProtoRegistry.files)

  private let files: [String: File]
  /// The file that declares a full name.
  private let owners: [String: String]

  init(_ files: [ProtoFile]) {
    self.files = Dictionary(
      files.map { ($0.name, File(descriptor: $0.descriptor, imports: $0.imports)) },
      uniquingKeysWith: { first, _ in first })
    owners = Dictionary(
      files.flatMap { file in file.symbols.map { ($0, file.name) } }, uniquingKeysWith: { first, _ in first })
  }

  /// The name of the file that declares a symbol.
  func file(declaring symbol: String) -> String? { owners[symbol] }

  /// A file's descriptor first, then those of all that it imports, without those that are in `sent` already; nil when there is no
  /// such file.
  func descriptors(of name: String, leavingOut sent: inout Set<String>) -> [[UInt8]]? {
    guard files[name] != nil else { return nil }
    var found: [[UInt8]] = []
    var queue = [name]
    var next = 0
    while next < queue.count {
      let name = queue[next]
      next += 1
      // The file itself goes out again whenever it is asked for.
      guard let file = files[name], sent.insert(name).inserted || found.isEmpty else { continue }
      found.append(file.descriptor)
      queue += file.imports
    }
    return found
  }
}
