"""What outreach does: whom it may bring in, let go and take over, and where everybody must be in the end."""

import collections

from model_facts import asked_ppm
from model_history import FOREVER, now
from model_log import ASSIGN, DEPRIVE, EXPIRY, OUTREACH, RENEW, REQUEST, Broken, covered
from segmentation.v1 import segment_service_pb2 as segments

ROLLOUTS = "SELECT actor, assigned, released FROM segmentd.rollouts"
# Whose records come from a rollout; else they come with a user that became known.
ROLLING = {"CreateSegment", "UpdateSegment"}
ADOPT = segments.OUTREACH_PRESENT_POLICY_ADOPT
KEEP = segments.OUTREACH_RELEASE_POLICY_KEEP


def need(condition, *texts):
    if not condition:
        raise Broken("\n".join(map(str, texts)))


class OutreachJudge:
    """The part of the judge that judges outreach; `facts`, `log`, `of_actor` and `rollouts` are the judge's."""

    def outreach_judges(self):
        return [self.judge_records_of_outreach, self.judge_outreach_twice, self.judge_outreach_in_the_end]

    def judge_rollout(self, group, answer, rows):
        """The records of one change of outreach, and what it counted."""
        need(all((row.cause, row.segment) == (OUTREACH, answer.segment.id) for row in rows), "other records:", rows)
        pairs = collections.Counter((row.user, row.action) for row in rows)
        need(not pairs or max(pairs.values()) == 1, "brought in, let go or taken over twice:", pairs.most_common(2))
        told = [self.rollouts[actor] for actor in group.actors if actor in self.rollouts]
        need(len(told) == answer.HasField("rollout"), "not one rollout:", told)
        for action, name in ((ASSIGN, "assigned"), (DEPRIVE, "released")):
            count = sum(row.action == action for row in rows)
            need(count == sum(int(row[name]) for row in told), f"other users than the rollout counted as {name}:", told, count)

    def judge_records_of_outreach(self):
        """Each by an outreach that there was."""
        for row in self.log.rows:
            if row.cause != OUTREACH:
                continue
            group = self.of_actor[row.actor]
            is_rolling = group.method in ROLLING
            asked = {asked_ppm(group)} if is_rolling else self.facts.outreaches(row.segment, group.begun, group.acked)
            is_covered = any(covered(row.segment, row.user, ppm) for ppm in asked)
            need(is_covered == (row.action != DEPRIVE), "brought in and not covered, or the other way round:", row, group)
            need(row.action == ASSIGN or group.method == "UpdateSegment", "only a change of outreach does that:", row, group)
            need(row.action != RENEW or group.request.present_policy == ADOPT, "was not to be taken over:", row, group)

    def judge_outreach_twice(self):
        """Whom outreach brought in and somebody took out stays out, unless the outreach was below it in between."""
        brought = collections.defaultdict(list)
        for row in self.log.rows:
            if (row.action, row.cause) == (ASSIGN, OUTREACH):
                brought[row.user, row.segment].append(row)
        for (user, segment), rows in brought.items():
            # A record belongs to the last life that had begun.
            for life in sorted(self.facts.users[user], key=lambda life: -life.born):
                of_life = [row for row in rows if row.recorded >= life.born]
                rows = [row for row in rows if row.recorded < life.born]
                need(all(row.recorded <= life.gone for row in of_life), "brought in when it was gone:", of_life, life)
                for before, after in zip(of_life, of_life[1:]):
                    between = self.facts.outreaches(segment, before.recorded, after.recorded)
                    need(
                        not all(covered(segment, user, ppm) for ppm in between), "brought in twice:", before, after, between, life,
                        self.facts.segments[segment])
            need(not rows, "brought in, and was not there:", rows, self.facts.users[user])

    def judge_outreach_in_the_end(self):
        """Everybody is in whom the last outreach covers, but who was taken out; nobody else is in because of outreach."""
        memberships, end = self.log.memberships(), now()
        for segment, life in self.facts.segments.items():
            need(life.ppm in self.facts.outreaches(segment, FOREVER, FOREVER), "another outreach than was asked for last:", life)
            if life.died < FOREVER:
                continue
            has_kept = any(group.request.release_policy == KEEP for group in life.changes)
            for user, of_user in ((user, of_user) for user, lives in self.facts.users.items() for of_user in lives):
                state = memberships.get((user, segment))
                if covered(segment, user, life.ppm):
                    is_certain = of_user.died == FOREVER and of_user.seen < FOREVER and not self.is_spared(of_user, segment)
                    need(state or not is_certain or self.was_taken_out(user, segment, of_user), f"covered by {segment}, and not in:",
                         of_user, life, user)
                elif state and state.cause == OUTREACH and (state.expires is None or state.expires > end):
                    need(has_kept, f"not covered by {segment}, and still in:", state, user, life)

    def was_taken_out(self, user, segment, of_user):
        """By somebody, or by its expiry."""
        return any(
            v.row and v.row.recorded >= of_user.born and v.row.action == DEPRIVE and v.row.cause in (REQUEST, EXPIRY)
            for v in self.log.stories.get((user, segment), []))

    @staticmethod
    def is_spared(of_user, segment):
        """The call that makes a user known leaves out the segments that it names itself."""
        answer = of_user.maker.answer if of_user.maker else None
        return any(outcome.segment_id == segment for outcome in getattr(answer, "outcomes", []))
