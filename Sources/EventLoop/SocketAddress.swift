import CEvent

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// An IPv4 or IPv6 address with a port.
package struct SocketAddress: @unchecked Sendable, Equatable, CustomStringConvertible {
  private var storage: sockaddr_storage
  private var length: socklen_t

  init(copying address: UnsafePointer<sockaddr>, length: socklen_t) {
    storage = sockaddr_storage()
    self.length = min(length, socklen_t(MemoryLayout<sockaddr_storage>.size))
    withUnsafeMutableBytes(of: &storage) {
      $0.copyMemory(from: UnsafeRawBufferPointer(start: address, count: Int(self.length)))
    }
  }

  /// The address that a socket is bound to.
  init(boundBy descriptor: Int32) throws(SocketError) {
    var storage = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    let code = withUnsafeMutablePointer(to: &storage) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
    }
    guard code == 0 else { throw .last("getsockname") }
    self.storage = storage
    self.length = length
  }

  /// The address of a socket's other end.
  init(peerOf descriptor: Int32) throws(SocketError) {
    var storage = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    let code = withUnsafeMutablePointer(to: &storage) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getpeername(descriptor, $0, &length) }
    }
    guard code == 0 else { throw .last("getpeername") }
    self.storage = storage
    self.length = length
  }

  /// Resolves a host name or a numeric address. Blocks while the system's resolver works.
  /// - Returns: All its addresses, in the resolver's order of preference; never empty.
  package static func resolve(_ endpoint: Endpoint) throws(SocketError) -> [SocketAddress] {
    try resolve(endpoint, onlyNumeric: false)
  }

  static func resolve(_ endpoint: Endpoint, onlyNumeric: Bool) throws(SocketError) -> [SocketAddress] {
    var hints = addrinfo()
    hints.ai_socktype = Socket.stream
    hints.ai_flags = AI_NUMERICSERV | (onlyNumeric ? AI_NUMERICHOST : 0)
    var list: UnsafeMutablePointer<addrinfo>?
    let code = getaddrinfo(endpoint.host, String(endpoint.port), &hints, &list)
    guard code == 0 else { throw SocketError(resolving: endpoint.host, code: code) }
    defer { freeaddrinfo(list) }
    var addresses: [SocketAddress] = []
    var next = list
    while let info = next {
      if let address = info.pointee.ai_addr {
        addresses.append(SocketAddress(copying: address, length: info.pointee.ai_addrlen))
      }
      next = info.pointee.ai_next
    }
    guard !addresses.isEmpty else { throw SocketError(resolving: endpoint.host, code: EAI_NONAME) }
    return addresses
  }

  package static func == (left: SocketAddress, right: SocketAddress) -> Bool {
    left.length == right.length
      && withUnsafeBytes(of: left.storage) { first in
        withUnsafeBytes(of: right.storage) { first.prefix(Int(left.length)).elementsEqual($0.prefix(Int(left.length))) }
      }
  }

  package var family: Int32 { Int32(storage.ss_family) }

  package var port: Int {
    withUnsafePointer(to: storage) {
      $0.withMemoryRebound(to: sockaddr_in.self, capacity: 1) { Int(UInt16(bigEndian: $0.pointee.sin_port)) }
    }
  }

  package func with(port: Int) -> SocketAddress {
    var copy = self
    withUnsafeMutablePointer(to: &copy.storage) {
      $0.withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
        $0.pointee.sin_port = UInt16(truncatingIfNeeded: port).bigEndian
      }
    }
    return copy
  }

  func withPointer<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
    withUnsafePointer(to: storage) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, length) }
    }
  }

  /// `127.0.0.1:7700` or `[::1]:7700`.
  package var description: String {
    var host = [CChar](repeating: 0, count: 128)
    let code = withPointer { getnameinfo($0, $1, &host, 128, nil, 0, NI_NUMERICHOST) }
    guard code == 0 else { return "?:\(port)" }
    let name = host.withUnsafeBufferPointer { $0.baseAddress.map { String(cString: $0) } ?? "?" }
    return family == AF_INET6 ? "[\(name)]:\(port)" : "\(name):\(port)"
  }
}
