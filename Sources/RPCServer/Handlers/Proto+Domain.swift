import Postgres
import Proto
import Segmentation

// The domain's values as messages, and messages as the domain's values. The domain's initialisers do all the validation; the
// conversions only say which field a value stood in.

extension SegmentReference {
  /// - Parameter field: The field's path in the request.
  /// - Throws: `SegmentationError.invalid` for a selector that is missing, empty or wrong.
  init(_ selector: SegmentSelector?, field: String = "segment") throws(SegmentationError) {
    switch selector?.segment {
    case .slug(let text): self = .slug(try Slug(text, field: "\(field).slug"))
    case .id(let number): self = .id(try SegmentID(number, field: "\(field).id"))
    case nil: throw .invalid(field: field, reason: "must name a slug or an id")
    }
  }

  var selector: SegmentSelector {
    switch self {
    case .slug(let slug): SegmentSelector(segment: .slug(slug.text))
    case .id(let id): SegmentSelector(segment: .id(id.number))
    }
  }
}

extension Timestamp {
  /// - Throws: `SegmentationError.invalid` outside of the years 1 to 9999.
  init(_ time: ProtoTimestamp, field: String) throws(SegmentationError) {
    do { self.init(microseconds: try time.microsecondsSinceEpoch()) } catch {
      throw .invalid(field: field, reason: "is out of range")
    }
  }

  /// A request's `as_of`; nil for now.
  /// - Throws: `SegmentationError.invalid` outside of the years 1 to 9999.
  init?(asOf time: ProtoTimestamp?) throws(SegmentationError) {
    guard let time else { return nil }
    try self.init(time, field: "as_of")
  }
}

extension ProtoTimestamp {
  /// Every instant that the database has been given came through a message or its clock, and fits.
  init(_ instant: Timestamp) {
    self = (try? ProtoTimestamp(microsecondsSinceEpoch: instant.microseconds)) ?? ProtoTimestamp()
  }
}

extension Proto.Segment {
  init(_ segment: Segmentation.Segment) {
    self.init(
      id: segment.id.number, slug: segment.slug.text, description: segment.description.text,
      outreach: segment.outreach.fraction, outreachPpm: segment.outreach.partsPerMillion,
      createTime: ProtoTimestamp(segment.createdAt), updateTime: ProtoTimestamp(segment.updatedAt), etag: segment.etag,
      memberCount: segment.memberCount ?? 0, rollout: segment.rollout.map { Proto.Rollout($0) })
  }
}

extension Proto.Rollout {
  init(_ rollout: Segmentation.Rollout) {
    self.init(
      id: rollout.id, segmentID: rollout.segment.number, segmentSlug: rollout.slug.text,
      fromPpm: rollout.from.partsPerMillion, toPpm: rollout.to.partsPerMillion, state: RolloutState(rollout.state),
      usersTotal: rollout.usersTotal, usersDone: rollout.usersDone, assigned: rollout.assigned,
      released: rollout.released, createTime: ProtoTimestamp(rollout.createdAt),
      updateTime: ProtoTimestamp(rollout.updatedAt), endTime: rollout.endedAt.map { ProtoTimestamp($0) })
  }
}

extension RolloutState {
  init(_ state: Segmentation.Rollout.State) {
    self =
      switch state {
      case .pending: .pending
      case .running: .running
      case .done: .done
      case .superseded: .superseded
      }
  }
}

extension SegmentUpdate {
  /// - Throws: `SegmentationError.invalid` for a mask that is empty or names something else, and for wrong values of what it
  ///   names.
  init(_ request: UpdateSegmentRequest) throws(SegmentationError) {
    self.init(
      presentPolicy: try Segmentation.OutreachPresentPolicy(request.presentPolicy),
      releasePolicy: try Segmentation.OutreachReleasePolicy(request.releasePolicy))
    let paths = request.updateMask?.paths ?? []
    guard !paths.isEmpty else {
      throw .invalid(field: "update_mask", reason: "must name `description`, `outreach` or both")
    }
    for path in paths {
      switch path {
      case "description": description = try SegmentDescription(request.description)
      case "outreach": outreach = try Outreach(request.outreach)
      default: throw .invalid(field: "update_mask", reason: "names something else than `description` and `outreach`")
      }
    }
  }
}

extension Segmentation.OutreachPresentPolicy {
  init(_ policy: Proto.OutreachPresentPolicy) throws(SegmentationError) {
    switch policy {
    case .unspecified, .keep: self = .keep
    case .adopt: self = .adopt
    default: throw .invalid(field: "present_policy", reason: "is unknown")
    }
  }
}

extension Segmentation.OutreachReleasePolicy {
  init(_ policy: Proto.OutreachReleasePolicy) throws(SegmentationError) {
    switch policy {
    case .unspecified, .release: self = .release
    case .keep: self = .keep
    default: throw .invalid(field: "release_policy", reason: "is unknown")
    }
  }
}

extension Proto.User {
  init(_ user: Segmentation.User) {
    self.init(id: user.id.number, createTime: ProtoTimestamp(user.createdAt))
  }
}

extension Proto.Membership {
  init(_ membership: Segmentation.Membership) {
    self.init(
      userID: membership.user.number, segmentID: membership.segment.number, segmentSlug: membership.slug.text,
      assignTime: membership.assignedAt.map { ProtoTimestamp($0) },
      expiresAt: membership.expiresAt.map { ProtoTimestamp($0) },
      source: membership.source.map { Proto.AuditCause($0) } ?? .unspecified)
  }
}

extension Expiry {
  init(_ choice: Proto.SegmentAssignment.ExpiryChoice?, field: String) throws(SegmentationError) {
    switch choice {
    case nil: self = .never
    case .expiresAt(let time): self = .at(try Timestamp(time, field: "\(field).expires_at"))
    case .ttl(let duration):
      do { self = .after(microseconds: try duration.microseconds()) } catch {
        throw .invalid(field: "\(field).ttl", reason: "is out of range")
      }
    }
  }
}

extension Segmentation.PresentPolicy {
  init(_ policy: Proto.PresentPolicy, unspecified: Self, field: String) throws(SegmentationError) {
    switch policy {
    case .unspecified: self = unspecified
    case .fail: self = .fail
    case .keep: self = .keep
    case .replaceExpiry: self = .replaceExpiry
    default: throw .invalid(field: field, reason: "is unknown")
    }
  }
}

extension Segmentation.MissingPolicy {
  init(_ policy: Proto.MissingPolicy, field: String) throws(SegmentationError) {
    switch policy {
    case .unspecified, .fail: self = .fail
    case .ignore: self = .ignore
    default: throw .invalid(field: field, reason: "is unknown")
    }
  }
}

extension Proto.MembershipOutcome {
  init(_ outcome: Segmentation.MembershipOutcome) {
    self =
      switch outcome {
      case .assigned: .assigned
      case .renewed: .renewed
      case .kept: .kept
      case .removed: .removed
      case .notPresent: .notPresent
      case .segmentNotFound: .segmentNotFound
      }
  }
}

extension Proto.AuditCause {
  /// The numbers are the same on both sides; a test holds them to it.
  init(_ cause: Segmentation.AuditCause) {
    self.init(rawValue: Int32(cause.rawValue))
  }
}

extension Proto.AuditRecord {
  init(_ record: Segmentation.AuditRecord) {
    self.init(
      sequence: record.position.sequence, userID: record.user.number, segmentID: record.segment.number,
      segmentSlug: record.slug.text, action: Proto.AuditAction(rawValue: Int32(record.action.rawValue)),
      cause: Proto.AuditCause(record.cause), actor: record.actor, requestID: record.requestID ?? "",
      expiresAt: record.expiresAt.map { ProtoTimestamp($0) }, effectiveTime: ProtoTimestamp(record.effectiveAt),
      recordTime: ProtoTimestamp(record.recordedAt))
  }
}
