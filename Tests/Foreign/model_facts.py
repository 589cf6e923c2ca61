"""When segments and users came and went, from what the database holds and from who was told of it first."""

import collections
import dataclasses

from model_history import FOREVER, micros
from model_log import Broken

SEGMENTS = """
SELECT id, slug, outreach_ppm AS ppm, (extract(epoch FROM created_at) * 1000000)::bigint AS born,
  (extract(epoch FROM deleted_at) * 1000000)::bigint AS died
FROM segmentd.segments
"""
USERS = "SELECT user_id, (extract(epoch FROM created_at) * 1000000)::bigint AS born FROM segmentd.users"


class Group:
    """All calls that are one request: those of one request id, or one call without."""

    def __init__(self, calls):
        self.calls = sorted(calls, key=lambda call: call.begun)
        self.method = calls[0].method
        self.request = calls[0].request
        self.is_dry = calls[0].is_dry
        self.actors = frozenset(attempt.actor for call in calls for attempt in call.attempts)
        answered = [call for call in calls if call.response is not None]
        self.begun = self.calls[0].begun
        # By then it was done.
        self.acked = min((call.ended for call in answered), default=FOREVER)
        self.answer = min(answered, key=lambda call: call.ended).response if answered else None
        # Some attempt may have done it, or may not.
        self.is_open = self.answer is None and any(call.ended == FOREVER for call in calls)

    def __str__(self):
        return "\n".join(map(str, self.calls))

    def __repr__(self):
        return f"{self.method} {sorted(self.actors)} [{self.begun}, {self.acked}]"


@dataclasses.dataclass
class Life:
    """From some moment between `born` and `seen` on, until one between `died` and `gone`."""

    born: int
    seen: int = FOREVER
    died: int = FOREVER
    gone: int = FOREVER
    maker: Group | None = None
    killer: Group | None = None
    imported: int = 0
    slug: str = ""
    # At last.
    ppm: int = 0
    # The calls that changed the outreach.
    changes: list = dataclasses.field(default_factory=list)

    def may_live(self, begun, ended, but_by=None):
        return self.born <= ended and self.gone >= begun and (but_by is None or self.maker is not but_by)

    def may_not_live(self, begun, ended, but_by=None):
        return self.seen >= begun or (self.died <= ended and (but_by is None or self.killer is not but_by))


def asked_ppm(group):
    """The outreach that a call asks for."""
    return round(group.request.outreach * 1e6)


class Facts:
    """All segments and users there ever were."""

    def __init__(self, world, groups):
        self.segments = {
            int(row["id"]): Life(int(row["born"]), died=int(row["died"] or FOREVER), slug=row["slug"], ppm=int(row["ppm"]))
            for row in world.rows(SEGMENTS)
        }
        self.by_slug = collections.defaultdict(list)
        for life in self.segments.values():
            self.by_slug[life.slug].append(life)
        self.users = collections.defaultdict(list)
        for row in world.rows(USERS):
            self.users[int(row["user_id"])].append(Life(int(row["born"])))
        self.makers = collections.defaultdict(list)
        answered = [group for group in groups if group.answer is not None and not group.is_dry]
        # Who was deleted is told by that call alone.
        for group in sorted(answered, key=lambda group: group.method != "DeleteUser"):
            getattr(self, group.method, lambda group: None)(group)
        self.find_makers()
        self.seen_by_import(answered)

    # --- what an answer tells ---

    def CreateSegment(self, group):
        life = self.segments.get(group.answer.segment.id)
        if life is None or life.maker or not group.begun <= life.born <= group.acked:
            raise Broken(f"a segment that was made is not there, or was made before: {life}\n{group}")
        life.maker, life.seen = group, min(life.seen, group.acked)

    def DeleteSegment(self, group):
        if not group.answer.segment.id:
            return
        life = self.segments[group.answer.segment.id]
        if life.killer or not group.begun <= life.died <= group.acked:
            raise Broken(f"a segment that was deleted is there, or was deleted before: {life}\n{group}")
        life.killer, life.gone = group, group.acked

    def DeleteUser(self, group):
        if not group.answer.HasField("user"):
            return
        born = micros(group.answer.user.create_time)
        if any(life.born == born for life in self.users[group.request.user_id]):
            raise Broken(f"a user that was deleted is there, or was deleted before\n{group}")
        self.users[group.request.user_id].append(Life(born, died=group.begun, gone=group.acked, killer=group))

    def UpdateSegment(self, group):
        life = self.segments[group.answer.segment.id]
        life.seen = min(life.seen, group.acked)
        life.changes.append(group)

    def CreateUser(self, group):
        born = micros(group.answer.user.create_time)
        life = next((life for life in self.users[group.request.user_id] if life.born == born), None)
        if life is None or group.answer.created and (life.maker or not group.begun <= life.born <= group.acked):
            raise Broken(f"a user that was made is not there, or was made before: {life}\n{group}")
        self.saw_user(life, group, group.answer.created)

    def UpdateUserSegments(self, group):
        if group.answer.user_created:
            self.makers[group.request.user_id].append(group)
        for outcome in group.answer.outcomes:
            if outcome.segment_id:
                life = self.segments[outcome.segment_id]
                life.seen = min(life.seen, group.acked)

    def find_makers(self):
        """Which user a call made that does not tell its time: each takes the first that fits, the one that ended first before others."""
        for user, makers in self.makers.items():
            for life in sorted(self.users[user], key=lambda life: life.born):
                fitting = [group for group in makers if not life.maker and group.begun <= life.born <= group.acked]
                if fitting:
                    group = min(fitting, key=lambda group: group.acked)
                    makers.remove(group)
                    self.saw_user(life, group, True)
            if makers:
                raise Broken(f"a user that was made is not there, or was made before: {self.users[user]}\n{makers}")

    @staticmethod
    def saw_user(life, group, is_maker):
        """The user was there, or was made by that call."""
        life.seen = min(life.seen, group.acked)
        if is_maker:
            life.maker = group

    def seen_by_import(self, answered):
        """What nobody else made: an import whose rows name it did, by the end of the last one that may have."""
        for group in (group for group in answered if group.method == "ImportMemberships"):
            options = group.request[0].options
            named = {(row.user_id, row.segment) for message in group.request for row in message.rows}
            lives = [life for slug in {slug for _, slug in named} if options.create_segments for life in self.by_slug[slug]]
            lives += [life for user in {user for user, _ in named} if options.create_users for life in self.users[user]]
            for life in lives:
                if life.maker is None and group.begun <= life.born <= group.acked:
                    life.imported = max(life.imported, group.acked)
        for life in (life for lives in [*self.by_slug.values(), *self.users.values()] for life in lives):
            if life.imported:
                life.seen = min(life.seen, life.imported)

    # --- what may have been ---

    def user_may_exist(self, user, begun, ended, but_by=None):
        return any(life.may_live(begun, ended, but_by) for life in self.users[user])

    def user_may_miss(self, user, begun, ended, but_by=None):
        return all(life.may_not_live(begun, ended, but_by) for life in self.users[user])

    def outreaches(self, segment, begun, ended):
        """The outreaches that a segment may have had in that time. An import makes one without."""
        life = self.segments[segment]
        made = [(life.born, life.born, asked_ppm(life.maker) if life.maker else 0)]
        changes = made + [(group.begun, group.acked, asked_ppm(group)) for group in life.changes]
        return {
            ppm for first, last, ppm in changes
            if first <= ended and not any(later > last and done < begun for later, done, _ in changes)}

    def lived(self, segment, instant):
        return self.segments[segment].born <= instant < self.segments[segment].died

    def named(self, selector):
        """Every segment that a request may mean by that."""
        if selector.WhichOneof("segment") == "id":
            return [self.segments[selector.id]] if selector.id in self.segments else []
        return self.by_slug.get(selector.slug, [])

    def may_live(self, selector, begun, ended, but_by=None):
        return any(life.may_live(begun, ended, but_by) for life in self.named(selector))

    def may_not_live(self, selector, begun, ended, but_by=None):
        return all(life.may_not_live(begun, ended, but_by) for life in self.named(selector))
