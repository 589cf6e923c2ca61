"""What the audit log says: the versions of every membership, in the order of the log, with the time each was there.

A version begins somewhere between the record's own time and the first answer that tells of it. What a call saw is right
when each thing it tells was so at some moment of the call.
"""

import collections
import dataclasses
import hashlib

from model_history import FOREVER

ASSIGN, DEPRIVE, RENEW = 1, 2, 3
REQUEST, IMPORT, OUTREACH, EXPIRY, SEGMENT_DELETED, USER_DELETED = 1, 2, 3, 4, 5, 6
LOG = """
SELECT sequence, user_id, segment_id, segment_slug AS slug, action, cause, actor, request_id, xmin AS writer,
  (extract(epoch FROM expires_at) * 1000000)::bigint AS expires, (extract(epoch FROM effective_at) * 1000000)::bigint AS effective,
  (extract(epoch FROM recorded_at) * 1000000)::bigint AS recorded
FROM segmentd.audit ORDER BY era, xid, sequence
"""
MEMBERSHIPS = """
SELECT user_id, segment_id, (extract(epoch FROM expires_at) * 1000000)::bigint AS expires,
  (extract(epoch FROM assigned_at) * 1000000)::bigint AS assigned, cause
FROM segmentd.memberships
"""


@dataclasses.dataclass(frozen=True)
class Row:
    """One audit record."""

    sequence: int
    user: int
    segment: int
    slug: str
    action: int
    cause: int
    actor: str
    request_id: str
    writer: str
    expires: int | None
    effective: int
    recorded: int

    @classmethod
    def of(cls, row):
        return cls(
            *(int(row[name]) for name in ("sequence", "user_id", "segment_id")), row["slug"], int(row["action"]), int(row["cause"]),
            row["actor"], row["request_id"], row["writer"], int(row["expires"]) if row["expires"] else None,
            int(row["effective"]), int(row["recorded"]))


@dataclasses.dataclass(frozen=True)
class Inside:
    """How a user is in a segment."""

    expires: int | None
    assigned: int
    cause: int


@dataclasses.dataclass
class Version:
    """From some moment between `first` and `last` on, until the next version."""

    first: int
    last: int
    state: Inside | None
    row: Row | None = None


class Broken(AssertionError):
    """Something is not as it must be."""


def follow(state, row):
    """The state behind a record, which must be possible in the state before."""
    is_due = state is not None and state.expires is not None and state.expires <= row.effective
    match row.action, row.cause:
        case 1, 1 | 2 | 3 if state is None and (row.expires is None or row.expires > row.effective):
            return Inside(row.expires, row.effective, row.cause)
        case 3, 1 | 2 if state and not is_due and row.expires != state.expires:
            return Inside(row.expires, state.assigned, state.cause)
        case 3, 3 if state and not is_due and state.cause != OUTREACH:
            return Inside(row.expires, state.assigned, OUTREACH)
        case 2, 4 if state and state.expires == row.effective == row.expires:
            return None
        case 2, 1 | 5 | 6 if state and not is_due:
            return None
        # 2: an import takes over what outreach did for the users that it makes known.
        case 2, 2 | 3 if state and not is_due and state.cause == OUTREACH:
            return None
    raise Broken(f"{row} cannot follow {state}")


class Log:
    """The whole log, judged record by record."""

    def __init__(self, rows, visible):
        """`visible`: by when a record was to be seen."""
        self.rows = [Row.of(row) for row in rows]
        self.stories = collections.defaultdict(lambda: [Version(0, 0, None)])
        self.by_user = collections.defaultdict(set)
        self.by_actor = collections.defaultdict(list)
        for row in self.rows:
            self.add(row, visible(row))
        for story in self.stories.values():
            self.finish(story)

    def add(self, row, seen):
        story = self.stories[row.user, row.segment]
        first = row.effective if row.cause == EXPIRY else row.recorded
        last = row.effective if row.cause == EXPIRY else seen
        story.append(Version(first, last, follow(story[-1].state, row), row))
        self.by_user[row.user].add(row.segment)
        self.by_actor[row.actor].append(row)

    @staticmethod
    def finish(story):
        end = story[-1].state
        if end and end.expires is not None:
            story.append(Version(end.expires, end.expires, None))
        # Whoever saw a version saw the ones before it, but time alone ends one.
        last = FOREVER
        for version in reversed(story):
            if version.row is None or version.row.cause != EXPIRY:
                last = version.last = min(last, version.last)
        for before, after in zip(story, story[1:]):
            after.last = max(after.last, before.last) if after.row is None or after.row.cause == EXPIRY else after.last

    def possible(self, user, segment, begun, ended, sparing=frozenset()):
        """The states that somebody could see in that time, but for those that `sparing` actors made."""
        story = self.stories.get((user, segment))
        if story is None:
            return {None}
        if sparing:
            story = [version for version in story if version.row is None or version.row.actor not in sparing]
        found = set()
        for number, version in enumerate(story):
            until = story[number + 1].last if number + 1 < len(story) else FOREVER
            if version.first > ended or until < begun:
                continue
            state = version.state
            expires = state.expires if state else None
            if expires is None or expires > begun:
                found.add(state)
            # Also where a renewal follows: whoever looks before that has committed sees one that has expired.
            if expires is not None and expires <= min(ended, until):
                found.add(None)
        return found

    def at(self, user, segment, instant):
        """The state at an instant: a change takes effect when its statement begins, an expiry when it was promised."""
        written = [v.state for v in self.stories.get((user, segment), []) if v.row and v.row.recorded <= instant]
        state = written[-1] if written else None
        return state if state and (state.expires is None or state.expires > instant) else None

    def before(self, row):
        """The state that a record found."""
        story = self.stories[row.user, row.segment]
        index = next(n for n, version in enumerate(story) if version.row is row)
        return story[index - 1].state

    def memberships(self):
        """What the log comes to."""
        ends = {key: [v for v in story if v.row or v.last == 0][-1].state for key, story in self.stories.items()}
        return {key: state for key, state in ends.items() if state}


def covered(segment, user, ppm):
    """docs/outreach.md."""
    digest = hashlib.sha256(f"{segment}:{user}".encode("ascii")).digest()
    return int.from_bytes(digest[:4], "big") * 1_000_000 >> 32 < ppm
