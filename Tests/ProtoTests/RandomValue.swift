import Foundation
import Proto
import TestSupport

/// A repeatable source of randomness. The run prints its seed: set PROTO_SEED to it to run
/// again with the same values.
struct RandomSource: RandomNumberGenerator {
  /// What this run starts from.
  static let seed: UInt64 = {
    let seed = ProcessInfo.processInfo.environment["PROTO_SEED"].flatMap { UInt64($0) } ?? .random(in: 0...UInt64.max)
    print("PROTO_SEED=\(seed)")
    return seed
  }()

  private var generator = SplitMix(seed: RandomSource.seed)

  mutating func next() -> UInt64 { generator.next() }
}

/// What random values can be made of; the messages' part of it is generated.
protocol RandomValue {
  static func random(_ source: inout RandomSource) -> Self
}

typealias RandomMessage = ProtoMessage & RandomValue

extension ProtoEnum where Self: RandomValue {
  /// Mostly values that the protos know.
  static func random(_ source: inout RandomSource) -> Self {
    Int.random(in: 0..<4, using: &source) == 0
      ? Self(rawValue: .random(&source)) : allCases.randomElement(using: &source) ?? Self(rawValue: 0)
  }
}

extension FixedWidthInteger where Self: RandomValue {
  /// Any number of bits, so that small, large and extreme values all come up.
  static func random(_ source: inout RandomSource) -> Self {
    let bits = Self(truncatingIfNeeded: source.next())
    return bits >> Self(truncatingIfNeeded: Int.random(in: 0..<Self.bitWidth, using: &source))
  }
}

extension Int32: RandomValue {}
extension Int64: RandomValue {}
extension UInt8: RandomValue {}

extension Bool: RandomValue {
  static func random(_ source: inout RandomSource) -> Self { .random(using: &source) }
}

extension Double: RandomValue {
  static func random(_ source: inout RandomSource) -> Self {
    [0, 1, 0.42, -1.5, .infinity, .leastNonzeroMagnitude, .random(in: 0...1, using: &source)]
      .randomElement(using: &source) ?? 0
  }
}

extension String: RandomValue {
  static func random(_ source: inout RandomSource) -> Self {
    let alphabet: [Character] = ["a", "B", "7", "_", "\u{1}", "\u{7F}", "é", "ж", "漢", "🚀", "\u{FFFF}", "\u{10FFFF}"]
    let length = [0, 1, 5, 15, 16, 300].randomElement(using: &source) ?? 0
    return String((0..<length).map { _ in alphabet.randomElement(using: &source) ?? "x" })
  }
}

extension Optional: RandomValue where Wrapped: RandomValue {
  static func random(_ source: inout RandomSource) -> Self {
    Bool.random(using: &source) ? .some(Wrapped.random(&source)) : nil
  }
}

extension Array: RandomValue where Element: RandomValue {
  static func random(_ source: inout RandomSource) -> Self {
    (0..<Int.random(in: 0...4, using: &source)).map { _ in .random(&source) }
  }
}

extension Dictionary: RandomValue where Key == String, Value: RandomValue {
  static func random(_ source: inout RandomSource) -> Self {
    var result: Self = [:]
    for _ in 0..<Int.random(in: 0...4, using: &source) {
      result[.random(&source)] = .random(&source)
    }
    return result
  }
}
