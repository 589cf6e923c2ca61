import ArgumentParser
import Proto

/// What to do about a membership that is there already.
enum IfPresent: String, ExpressibleByArgument, CaseIterable, Sendable {
  case fail, keep, replace

  var policy: PresentPolicy {
    switch self {
    case .fail: .fail
    case .keep: .keep
    case .replace: .replaceExpiry
    }
  }
}

/// What to do about a membership to remove that is not there.
enum IfMissing: String, ExpressibleByArgument, CaseIterable, Sendable {
  case fail, ignore

  var policy: MissingPolicy {
    switch self {
    case .fail: .fail
    case .ignore: .ignore
    }
  }
}

/// What outreach does with users that are in the segment already by other means.
enum OutreachPresent: String, ExpressibleByArgument, CaseIterable, Sendable {
  case keep, adopt

  var policy: OutreachPresentPolicy { self == .keep ? .keep : .adopt }
}

/// What a lower outreach does with those that it no longer covers.
enum OutreachUncovered: String, ExpressibleByArgument, CaseIterable, Sendable {
  case release, keep

  var policy: OutreachReleasePolicy { self == .release ? .release : .keep }
}

/// A value of a protobuf enum by its name in lower case with dashes, `segment-deleted` say.
protocol NamedArgument: ExpressibleByArgument {
  associatedtype Value: ProtoEnum
  init(_ value: Value)
}

extension NamedArgument {
  init?(argument: String) {
    guard let value = Self.values.first(where: { Self.name($0) == argument.lowercased() }) else { return nil }
    self.init(value)
  }

  static var allValueStrings: [String] { values.map(name) }

  private static var values: [Value] { Value.allCases.filter { $0.rawValue != 0 } }

  private static func name(_ value: Value) -> String { value.name.lowercased().replacing("_", with: "-") }
}

struct ActionArgument: NamedArgument, Sendable {
  let value: AuditAction
  init(_ value: AuditAction) { self.value = value }
}

struct CauseArgument: NamedArgument, Sendable {
  let value: AuditCause
  init(_ value: AuditCause) { self.value = value }
}
