#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Who PostgreSQL runs as: whoever runs segmentd, but never root.
struct ServiceUser: Sendable, Equatable {
  let name: String
  let uid: uid_t
  let gid: gid_t
  /// Whether that is another user than we are, so that files are handed over and programs started through `setpriv`.
  let isOther: Bool

  /// - Parameter cluster: A cluster that is there already; its owner goes on owning it.
  /// - Throws: `foreign` when that is neither ours nor root's to use, `cannotDropRoot` when there is no other user.
  static func choose(forCluster cluster: String) throws(PrivatePostgresError) -> ServiceUser {
    let me = geteuid()
    let owner = System.status(cluster)?.st_uid
    guard me == 0 else {
      if let owner, owner != me { throw .foreign(cluster: cluster, owner: find(owner)?.name ?? "\(owner)") }
      return ServiceUser(name: find(me)?.name ?? "\(me)", uid: me, gid: getegid(), isOther: false)
    }
    if owner == 0 {
      throw .file(
        path: cluster, reason: "it belongs to root, and PostgreSQL never runs as root; give it to another user")
    }
    guard let user = owner.map(find) ?? find("postgres") ?? find("nobody"), user.uid != 0 else { throw .cannotDropRoot }
    return user
  }

  /// What stands before a program's arguments to start it as this user, and to end it when the thread that started it is gone:
  /// after a `kill -9` of segmentd PostgreSQL then shuts down by itself.
  /// - Throws: `cannotDropRoot` when there is nothing to start it with.
  func launcher(endSignal: String) throws(PrivatePostgresError) -> [String] {
    let setpriv = Self.find(program: "setpriv")
    guard isOther else { return setpriv.map { [$0, "--pdeathsig", endSignal, "--"] } ?? [] }
    if let setpriv {
      return [setpriv, "--reuid=\(uid)", "--regid=\(gid)", "--clear-groups", "--pdeathsig", endSignal, "--"]
    }
    if let runuser = Self.find(program: "runuser") { return [runuser, "-u", name, "--"] }
    throw .cannotDropRoot
  }

  /// Hands a file or directory over; nothing to do when we are that user.
  func own(_ path: String) throws(PrivatePostgresError) {
    if isOther { try System.check(chown(path, uid, gid), path) }
  }

  /// The first directory on the way to `path`, itself included, that the user may not pass; nil when there is none.
  func obstacle(onTheWayTo path: String) -> String? {
    guard isOther else { return nil }
    return (["/"] + System.prefixes(of: path)).first { prefix in
      guard let status = System.status(prefix) else { return false }
      let bit = status.st_uid == uid ? S_IXUSR : status.st_gid == gid ? S_IXGRP : S_IXOTH
      return status.st_mode & bit == 0
    }
  }

  private static func find(program: String) -> String? {
    ["/usr/bin", "/bin", "/usr/sbin", "/sbin"].map { "\($0)/\(program)" }.first { access($0, X_OK) == 0 }
  }

  private static func find(_ name: String) -> ServiceUser? {
    getpwnam(name).map { ServiceUser(name: name, uid: $0.pointee.pw_uid, gid: $0.pointee.pw_gid, isOther: true) }
  }

  private static func find(_ uid: uid_t) -> ServiceUser? {
    guard let entry = getpwuid(uid), let name = entry.pointee.pw_name else { return nil }
    return ServiceUser(name: String(cString: name), uid: uid, gid: entry.pointee.pw_gid, isOther: true)
  }
}
