#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// The few file operations that the private PostgreSQL needs, with errors that name the path.
enum System {
  /// The words for an `errno`.
  static func reason(_ code: Int32) -> String {
    String(cString: strerror(code))
  }

  /// - Throws: `PrivatePostgresError.file` when `result` is the -1 of a failed call.
  static func check(_ result: Int32, _ path: String) throws(PrivatePostgresError) {
    guard result == -1 else { return }
    throw .file(path: path, reason: reason(errno))
  }

  /// Makes the directory unless it is there.
  static func makeDirectory(_ path: String, mode: mode_t) throws(PrivatePostgresError) {
    guard mkdir(path, mode) == -1, errno != EEXIST else { return }
    throw .file(path: path, reason: reason(errno))
  }

  /// Makes the directory and those above it that are not there.
  static func makeDirectories(_ path: String, mode: mode_t) throws(PrivatePostgresError) {
    for prefix in prefixes(of: path) { try makeDirectory(prefix, mode: mode) }
  }

  /// `/a/b` of `/a/b/c`, from the top: `/a`, `/a/b`, `/a/b/c`.
  static func prefixes(of path: String) -> [String] {
    path.indices.filter { $0 != path.startIndex && path[$0] == "/" }.map { String(path[..<$0]) } + [path]
  }

  /// The path without links and dots.
  static func realPath(_ path: String) throws(PrivatePostgresError) -> String {
    guard let pointer = realpath(path, nil) else { throw .file(path: path, reason: reason(errno)) }
    defer { free(pointer) }
    return String(cString: pointer)
  }

  /// Nil when there is nothing; links are followed.
  static func status(_ path: String) -> stat? {
    var status = stat()
    return stat(path, &status) == 0 ? status : nil
  }

  /// Nil when there is nothing; of a link, the link itself.
  static func linkStatus(_ path: String) -> stat? {
    var status = stat()
    return lstat(path, &status) == 0 ? status : nil
  }

  /// Where the link points to; nil when it is none or may not be read.
  static func target(ofLink path: String) -> String? {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(PATH_MAX)) { buffer in
      guard let start = buffer.baseAddress else { return nil }
      let count = readlink(path, start, buffer.count)
      guard count > 0 else { return nil }
      return String(decoding: UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(buffer)[..<count]), as: UTF8.self)
    }
  }

  /// The file's text from `offset` on, at most 64 KiB of it; nil when it cannot be read.
  static func text(of path: String, from offset: Int = 0) -> String? {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return nil }
    defer { close(file) }
    var bytes = [UInt8](repeating: 0, count: 65536)
    var filled = 0
    while filled < bytes.count {
      let room = bytes.count - filled
      let count = bytes.withUnsafeMutableBytes {
        pread(file, $0.baseAddress?.advanced(by: filled), room, off_t(offset + filled))
      }
      guard count > 0 else { break }
      filled += count
    }
    return String(decoding: bytes[..<filled], as: UTF8.self)
  }

  /// What stands in the directory, without the dots; empty when it cannot be read.
  static func names(in path: String) -> [String] {
    guard let directory = opendir(path) else { return [] }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
        pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != ".", name != ".." { names.append(name) }
    }
    return names
  }

  /// Removes the directory and all in it, following no links.
  static func removeTree(_ path: String) throws(PrivatePostgresError) {
    guard let status = linkStatus(path) else { return }
    guard status.st_mode & S_IFMT == S_IFDIR else { return try check(unlink(path), path) }
    for name in names(in: path) { try removeTree("\(path)/\(name)") }
    try check(rmdir(path), path)
  }

  /// Sleeps on this thread.
  static func pause(milliseconds: UInt32) {
    usleep(milliseconds * 1000)
  }
}
