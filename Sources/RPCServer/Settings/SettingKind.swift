import EventLoop

/// A type of value that settings have: what it takes, in words, and how its text is read.
package struct SettingKind<Value: Sendable>: Sendable {
  /// The end of the sentence "it takes ...".
  let accepts: String
  /// Nil when the text is not such a value.
  let read: @Sendable (String) -> Value?
}

extension SettingKind where Value == String {
  static func text(_ accepts: String) -> Self {
    Self(accepts: accepts) { $0 }
  }
}

extension SettingKind where Value == Endpoint {
  static var endpoint: Self {
    Self(accepts: "HOST:PORT with a port from 0 (any free one) to 65535") { try? Endpoint($0) }
  }
}

extension SettingKind where Value == Int {
  static func integer(_ bounds: ClosedRange<Int>) -> Self {
    Self(accepts: "a whole number from \(bounds.lowerBound) to \(bounds.upperBound)") { text in
      Int(text).flatMap { bounds.contains($0) ? $0 : nil }
    }
  }

  /// Bytes, with or without a unit.
  static func size(_ bounds: ClosedRange<Int>) -> Self {
    let range = "\(Size.text(bounds.lowerBound)) to \(Size.text(bounds.upperBound))"
    return Self(accepts: "a size from \(range), such as 65536, 64KiB or 4MiB") { text in
      Size.read(text).flatMap { bounds.contains($0) ? $0 : nil }
    }
  }
}

extension SettingKind where Value == Int? {
  /// `auto`, which is nil, or a number.
  static func automaticOr(_ bounds: ClosedRange<Int>) -> Self {
    let number = SettingKind<Int>.integer(bounds)
    return Self(accepts: "'auto' or \(number.accepts)") { text in
      text == "auto" ? .some(nil) : number.read(text).map { .some($0) }
    }
  }
}

extension SettingKind where Value == Duration {
  static func duration(_ bounds: ClosedRange<Duration>) -> Self {
    let range = "\(Span.text(bounds.lowerBound)) to \(Span.text(bounds.upperBound))"
    return Self(accepts: "a time from \(range), such as 500ms, 30s, 5m, 24h or 7d") { text in
      Span.read(text).flatMap { bounds.contains($0) ? $0 : nil }
    }
  }
}

extension SettingKind where Value == Duration? {
  /// `forever`, which is nil, or a time.
  static func foreverOr(_ bounds: ClosedRange<Duration>) -> Self {
    let time = SettingKind<Duration>.duration(bounds)
    return Self(accepts: "'forever' or \(time.accepts)") { text in
      text == "forever" ? .some(nil) : time.read(text).map { .some($0) }
    }
  }
}

extension SettingKind where Value: RawRepresentable & CaseIterable, Value.RawValue == String {
  static var choice: Self {
    let names = Value.allCases.map(\.rawValue)
    let text = names.dropLast().joined(separator: ", ") + " or " + (names.last ?? "")
    return Self(accepts: text) { Value(rawValue: $0) }
  }
}

/// Something that is there or not.
package enum Switch: String, CaseIterable, Sendable {
  case on
  case off
}

extension SettingKind where Value == String? {
  /// Nil when empty.
  static func path(of what: String) -> Self {
    Self(accepts: "the path of a \(what), or nothing") { $0.isEmpty ? .some(nil) : .some($0) }
  }

  /// The address of a PostgreSQL database as libpq reads it; nil when empty.
  static var database: Self {
    Self(accepts: "postgresql://USER@HOST:PORT/NAME or 'host=HOST dbname=NAME', or nothing for a private one") { text in
      if text.isEmpty { return .some(nil) }
      let isURL = text.hasPrefix("postgresql://") || text.hasPrefix("postgres://")
      return isURL || text.contains("=") ? .some(text) : nil
    }
  }
}
