/// What to do about a segment that the user is in already.
package enum PresentPolicy: String, Hashable, Sendable {
  /// Refuse: the call with `membershipAlreadyExists`, an imported row with `alreadyPresent`.
  case fail
  /// Leave the membership and its expiry as they are.
  case keep
  /// Replace the expiry by the one asked for.
  case replaceExpiry
}

/// What to do about a segment to remove that the user is not in, or that does not exist.
package enum MissingPolicy: String, Hashable, Sendable {
  /// Refuse the call with `membershipNotFound` or `segmentNotFound`.
  case fail
  /// Leave it at that.
  case ignore
}
