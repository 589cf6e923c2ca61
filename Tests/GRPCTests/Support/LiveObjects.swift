@testable import GRPC

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Counts the client calls that somebody still holds. Confined to its loop.
final class LiveObjects: @unchecked Sendable {
  private struct Weak {
    weak var call: CallAttempts?
  }

  private var streams: [Weak] = []
  private(set) var added = 0

  func add(_ call: ClientCall<Bytes, Bytes>) {
    added += 1
    streams.append(Weak(call: call.attempts))
  }

  var count: Int {
    streams.removeAll { $0.call == nil }
    return streams.count
  }
}

/// The process's resident memory in KiB; 0 where the system does not tell.
func residentKiB() -> Int {
  guard let file = fopen("/proc/self/statm", "r") else { return 0 }
  defer { fclose(file) }
  var line = [CChar](repeating: 0, count: 128)
  guard fgets(&line, 128, file) != nil else { return 0 }
  let fields = line.withUnsafeBufferPointer { buffer in
    buffer.baseAddress.map { String(cString: $0).split(separator: " ") } ?? []
  }
  return fields.count > 1 ? (Int(fields[1]) ?? 0) * 4 : 0
}
