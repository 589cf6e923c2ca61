import TestSupport

/// What a client says on one connection: a good conversation, frame by frame, and what chance makes of it.
struct Conversation {
  private static let methods = ["Unary", "Collect", "Expand", "Each", "Fail", "Shape", "Nothing", ""]
  /// gzip of "hello", by Python.
  private static let gzip: [UInt8] = [
    31, 139, 8, 0, 0, 0, 0, 0, 2, 255, 203, 72, 205, 201, 201, 7, 0, 134, 166, 16, 54, 5, 0, 0, 0,
  ]
  /// Names and values that some code path looks at.
  private static let fields: [(String, [String])] = [
    ("grpc-timeout", ["1S", "99999999H", "0n", "1x", "", "-1S", "99999999n", "1u", "20m"]),
    ("grpc-encoding", ["gzip", "deflate", "identity", "br", ""]),
    ("grpc-accept-encoding", ["gzip", "identity,deflate", ",,,", " gzip ", ""]),
    ("content-type", ["application/grpc", "application/grpc+json", "text/html", "application/grpc;x"]),
    ("x-trailing-bin", ["AAE", "AAE=", "A", "====", "AA,AQ,,Ag", "!"]),
    ("x-initial", ["1", ""]),
    ("compress", ["yes", "no", "mixed"]),
    ("x-request-id", ["abc", "a b", ""]),
    (":method", ["GET", "POST", ""]),
    (":path", ["/", "*", "/test.Echo/Unary", ""]),
    ("te", ["trailers", "gzip"]),
    ("connection", ["close"]),
    ("X-Upper", ["1"]),
    ("content-length", ["5", "-1", "99999999999999999999"]),
    ("host", ["x"]),
  ]

  private(set) var pieces: [[UInt8]]

  init(_ random: inout SplitMix) {
    pieces = [Wire.preface, Wire.frame(4, [0, 4] + Wire.big(random.pick([0, 1, 100, 65_535, 1 << 20, 0x7fff_ffff])))]
    for call in 0..<UInt32.random(in: 1...5, using: &random) { pieces += Self.call(call * 2 + 1, &random) }
    if random.chance(30) { pieces.append(Wire.frame(6, [1, 2, 3, 4, 5, 6, 7, 8])) }
    if random.chance(30) { pieces.append(Wire.frame(8, Wire.big(random.pick([1, 1000, 1 << 20, 0x7fff_ffff])))) }
    if random.chance(10) { pieces.append(Wire.frame(7, Wire.big(0) + Wire.big(0))) }
    for _ in 0..<Int.random(in: 0...5, using: &random) { mutate(&random) }
  }

  // MARK: Good

  private static func call(_ stream: UInt32, _ random: inout SplitMix) -> [[UInt8]] {
    var fields: [(String, [UInt8])] = [
      (":method", Array("POST".utf8)), (":scheme", Array("http".utf8)),
      (":path", Array("/test.Echo/\(random.pick(methods))".utf8)), (":authority", [120]),
      ("te", Array("trailers".utf8)), ("content-type", Array("application/grpc".utf8)),
    ]
    while random.chance(50) {
      let (name, values) = random.pick(Self.fields)
      let field = (name, random.chance(90) ? Array(random.pick(values).utf8) : random.bytes(0...40))
      fields.insert(field, at: random.chance(80) ? fields.count : Int.random(in: 0...fields.count, using: &random))
    }
    if random.chance(3) { fields.append(("x-large", [UInt8](repeating: 120, count: 20_000))) }
    var frames = headers(stream, Wire.block(fields), &random)
    for _ in 0..<random.pick([0, 1, 1, 1, 2, 5]) { frames += data(stream, message(&random), &random) }
    switch Int.random(in: 0..<10, using: &random) {
    case 0: frames.append(Wire.frame(3, stream: stream, Wire.big(8)))
    case 1: frames.append(Wire.frame(1, flags: 5, stream: stream, Wire.block([("x-trailer", [49])])))
    case 2: break
    default: frames.append(Wire.frame(0, flags: 1, stream: stream))
    }
    if random.chance(20) { frames.append(Wire.frame(8, stream: stream, Wire.big(random.pick([0, 1, 70_000])))) }
    return frames
  }

  private static func headers(_ stream: UInt32, _ block: [UInt8], _ random: inout SplitMix) -> [[UInt8]] {
    let size = min(16_384, random.chance(80) ? block.count : Int.random(in: 1...block.count, using: &random))
    var rest = block[...]
    var frames: [[UInt8]] = []
    while !rest.isEmpty, frames.count < 12 {
      let part = Array(rest.prefix(size))
      rest = rest.dropFirst(size)
      frames.append(Wire.frame(frames.isEmpty ? 1 : 9, flags: rest.isEmpty ? 4 : 0, stream: stream, part))
    }
    return frames
  }

  private static func message(_ random: inout SplitMix) -> [UInt8] {
    switch Int.random(in: 0..<10, using: &random) {
    case 0: return Wire.message(gzip, flag: 1)
    case 1: return Wire.message(random.bytes(0...40), flag: 1)
    case 2: return Wire.message([UInt8](repeating: 7, count: 30_000))
    case 3: return Wire.message(Array("20 3000".utf8))
    case 4: return random.bytes(0...8)
    case 5: return [0, 255, 255, 255, 255]
    default: return Wire.message(random.bytes(0...60))
    }
  }

  /// DATA frames cut anywhere, now and then padded.
  private static func data(_ stream: UInt32, _ bytes: [UInt8], _ random: inout SplitMix) -> [[UInt8]] {
    var rest = bytes[...]
    var frames: [[UInt8]] = []
    repeat {
      let part = Array(rest.prefix(Int.random(in: 1...16_000, using: &random)))
      rest = rest.dropFirst(part.count)
      frames.append(
        random.chance(5)
          ? Wire.frame(0, flags: 8, stream: stream, [3] + part + [0, 0, 0]) : Wire.frame(0, stream: stream, part))
    } while !rest.isEmpty
    return frames
  }

  // MARK: Broken

  private mutating func mutate(_ random: inout SplitMix) {
    let index = Int.random(in: pieces.indices, using: &random)
    switch Int.random(in: 0..<9, using: &random) {
    case 0: pieces.insert(pieces[index], at: index)
    case 1: if pieces.count > 2 { pieces.remove(at: index) }
    case 2: pieces.swapAt(index, Int.random(in: pieces.indices, using: &random))
    case 3: pieces.insert(Self.anyFrame(&random), at: index)
    case 4: pieces[index] = Array(pieces[index].dropLast(Int.random(in: 0...12, using: &random)))
    case 5: pieces[index] += random.bytes(1...12)
    default:
      guard !pieces[index].isEmpty else { return }
      // The head of a frame is where most of the meaning is.
      let reach = random.chance(50) ? min(9, pieces[index].count) : pieces[index].count
      pieces[index][Int.random(in: 0..<reach, using: &random)] = UInt8.random(in: 0...255, using: &random)
    }
  }

  private static func anyFrame(_ random: inout SplitMix) -> [UInt8] {
    Wire.frame(
      UInt8.random(in: 0...10, using: &random), flags: UInt8.random(in: 0...63, using: &random),
      stream: UInt32.random(in: 0...9, using: &random), random.bytes(0...60))
  }
}
