import Postgres

/// What the ledger keeps of an answer about a segment.
struct KeptSegment: Codable, Sendable {
  /// A rollout as it begins.
  struct KeptRollout: Codable, Sendable {
    let id: Int64
    let from: Int32
    let to: Int32
    let createdAt: Int64
  }

  let id: Int64
  let slug: String
  let description: String
  let outreach: Int32
  let createdAt: Int64
  let updatedAt: Int64
  let rollout: KeptRollout?

  init(_ segment: Segment, _ rollout: Rollout?) {
    id = segment.id.number
    slug = segment.slug.text
    description = segment.description.text
    outreach = segment.outreach.partsPerMillion
    createdAt = segment.createdAt.microseconds
    updatedAt = segment.updatedAt.microseconds
    self.rollout = rollout.map { rollout in
      KeptRollout(
        id: rollout.id, from: rollout.from.partsPerMillion, to: rollout.to.partsPerMillion,
        createdAt: rollout.createdAt.microseconds)
    }
  }

  var change: SegmentChange {
    let segment = Segment(
      id: SegmentID(stored: id), slug: Slug(stored: slug), description: SegmentDescription(stored: description),
      outreach: Outreach(stored: outreach), createdAt: Timestamp(microseconds: createdAt),
      updatedAt: Timestamp(microseconds: updatedAt))
    let begun = rollout.map { rollout in
      Rollout(
        id: rollout.id, segment: segment.id, slug: segment.slug, from: Outreach(stored: rollout.from),
        to: Outreach(stored: rollout.to), state: .pending, createdAt: Timestamp(microseconds: rollout.createdAt),
        updatedAt: Timestamp(microseconds: rollout.createdAt))
    }
    return SegmentChange(segment: segment, rollout: begun)
  }
}
