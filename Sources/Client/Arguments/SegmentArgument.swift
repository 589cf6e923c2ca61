import ArgumentParser
import Proto

/// A segment on the command line: its slug, or `id:NUMBER` (no slug has a colon). The server judges the slug.
struct SegmentArgument: ExpressibleByArgument, Hashable, Sendable {
  let selector: SegmentSelector
  /// As it was given.
  let text: String

  init?(argument: String) {
    text = argument
    if argument.hasPrefix("id:") {
      guard let id = Int64(argument.dropFirst(3)) else { return nil }
      selector = SegmentSelector(segment: .id(id))
    } else {
      selector = SegmentSelector(segment: .slug(argument))
    }
  }
}

/// `SEGMENT` or `SEGMENT=EXPIRY`: what to assign and until when.
struct AssignmentArgument: Hashable, Sendable {
  struct Malformed: Error, CustomStringConvertible {
    let description: String
  }

  let assignment: SegmentAssignment

  /// - Throws: `Malformed`
  init(_ text: String) throws {
    let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
    guard let segment = SegmentArgument(argument: String(parts[0])) else {
      throw Malformed(description: "'\(parts[0])' is not a slug or id:NUMBER")
    }
    assignment = SegmentAssignment(
      segment: segment.selector, expiry: parts.count == 2 ? try Self.expiry(String(parts[1])) : nil)
  }

  private static func expiry(_ text: String) throws -> SegmentAssignment.ExpiryChoice {
    if let instant = RFC3339.parse(text) { return .expiresAt(instant) }
    if let span = try? Span.microseconds(text), let ttl = try? ProtoDuration(microseconds: span) { return .ttl(ttl) }
    throw Malformed(
      description: "'\(text)' is neither an instant such as 2026-05-01T12:00:00Z nor a duration such as 30m, 12h or 7d")
  }
}

/// An instant on the command line.
struct InstantArgument: ExpressibleByArgument, Sendable {
  let timestamp: ProtoTimestamp

  init?(argument: String) {
    guard let timestamp = RFC3339.parse(argument) else { return nil }
    self.timestamp = timestamp
  }
}

/// An instant in the past to answer for.
struct PastOptions: ParsableArguments, Sendable {
  @Option(help: ArgumentHelp("As of this instant or date in the past, from the audit log.", valueName: "instant"))
  var asOf: InstantArgument?
}

/// Where a stream of the audit log begins, on the command line: an instant, or `now`.
struct StartArgument: ExpressibleByArgument, Sendable {
  let start: StreamAuditRequest.StartChoice

  init?(argument: String) {
    if argument == "now" {
      start = .startPosition(.now)
    } else {
      guard let instant = InstantArgument(argument: argument) else { return nil }
      start = .startTime(instant.timestamp)
    }
  }
}
