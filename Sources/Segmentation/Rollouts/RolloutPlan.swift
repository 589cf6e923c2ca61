/// What a change of outreach has to do with whom.
///
///     0 ──────────── floor ──────────── to ──────────── 1,000,000
///       in before           bring in        let go of
struct RolloutPlan: Hashable, Sendable {
  /// What the rollout that is replaced had not finished.
  struct Unfinished: Hashable, Sendable {
    let floor: Outreach
    let releases: Bool
  }

  let from: Outreach
  let to: Outreach
  /// Users below it have been brought in before; one that is not in was taken out since, and stays out.
  let floor: Outreach
  let adopts: Bool
  let releases: Bool

  init(
    from: Outreach, to: Outreach, replacing unfinished: Unfinished? = nil, present: OutreachPresentPolicy = .keep,
    release: OutreachReleasePolicy = .release
  ) {
    self.from = from
    self.to = to
    floor = min(to, unfinished?.floor ?? from)
    adopts = present == .adopt
    // A higher outreach lets nobody go, but for those that the one before had still to let go.
    releases = release == .release && (to < from || unfinished?.releases ?? false)
  }
}
