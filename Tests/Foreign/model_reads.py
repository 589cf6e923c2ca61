"""What a read may answer: each membership as it was at some moment of the call, and never one that had expired. Of an instant in the
past there is one right answer."""

from model_history import micros
from model_log import Broken
from segmentation.v1 import membership_pb2 as m


def need(condition, *texts):
    if not condition:
        raise Broken("\n".join(map(str, texts)))


def is_full(request):
    return request.view == m.MEMBERSHIP_VIEW_FULL


class Reads:
    """The part of the judge that judges reads; `facts` and `log` are the judge's."""

    def states(self, user, segment, begun, ended, sparing=frozenset()):
        """How the user could be in the segment; None: not."""
        life = self.facts.segments[segment]
        found = set()
        if life.may_live(begun, ended):
            found |= self.log.possible(user, segment, begun, ended, sparing)
        if life.may_not_live(begun, ended):
            found.add(None)
        return found

    def member(self, user, segment, begun, ended, sparing=frozenset()):
        """Whether the user may have been in."""
        return any(state is not None for state in self.states(user, segment, begun, ended, sparing))

    def absent(self, user, segment, begun, ended, sparing=frozenset()):
        """Whether the user may have been out."""
        return None in self.states(user, segment, begun, ended, sparing)

    def read_GetUserSegments(self, call, answer, begun, ended):
        self.judge_user(call.request.user_id, answer, call.request, begun, ended)

    def read_BatchGetUserSegments(self, call, answer, begun, ended):
        need([user.user_id for user in answer.users] == list(call.request.user_ids), "other users than were asked for")
        for user in answer.users:
            self.judge_user(user.user_id, user, call.request, begun, ended)

    def seen(self, request, user, segment, begun, ended):
        """As `states`, of the instant that the request asks about: there is one answer to that."""
        if not request.HasField("as_of"):
            return self.states(user, segment, begun, ended)
        instant = micros(request.as_of)
        return {self.log.at(user, segment, instant) if self.facts.lived(segment, instant) else None}

    def judge_user(self, user, answer, request, begun, ended):
        slugs, full = list(answer.segments), is_full(request)
        need(slugs == sorted(set(slugs)), "not sorted, or twice:", slugs)
        need(len(answer.memberships) == (len(slugs) if full else 0), "another view")
        shown = {(one.segment_id, one.segment_slug): one for one in answer.memberships}
        need(not full or [slug for _, slug in shown] == slugs, "other segments than slugs")
        explained = set()
        for segment in self.log.by_user.get(user, ()):
            states = self.seen(request, user, segment, begun, ended)
            slug = self.facts.segments[segment].slug
            one = shown.pop((segment, slug), None)
            if one:
                need(any(self.is_shown(one, state) for state in states), "it was otherwise:", one, states)
            if not full or one:
                explained |= {slug} if any(states) else set()
            need(None in states or slug in slugs, f"{slug} is missing:", states)
            need(not full or one or None in states, f"segment {segment} is missing:", states)
        need(not shown and explained >= set(slugs), "was not in:", shown, set(slugs) - explained)

    @staticmethod
    def is_shown(one, state):
        expires = micros(one.expires_at) if one.HasField("expires_at") else None
        return state is not None and (state.expires, state.assigned, state.cause) == (expires, micros(one.assign_time), one.source)

    def living(self, request, begun, ended):
        """The segments that a request may have meant."""
        named = [n for n, life in self.facts.segments.items() if life in self.facts.named(request.segment)]
        if request.HasField("as_of"):
            return [segment for segment in named if self.facts.lived(segment, micros(request.as_of))]
        return [segment for segment in named if self.facts.segments[segment].may_live(begun, ended)]

    def read_CheckMembership(self, call, answer, begun, ended):
        expires = micros(answer.expires_at) if answer.HasField("expires_at") else None
        request, living = call.request, self.living(call.request, begun, ended)
        found = [state for segment in living for state in self.seen(request, request.user_id, segment, begun, ended)]
        need(any((s is not None) == answer.member and (s.expires if s else None) == expires for s in found), "it was otherwise:", found)

    def read_ListSegmentMembers(self, call, messages, begun, ended):
        users = [user for message in messages for user in message.user_ids]
        need(users == sorted(set(users)), "not sorted, or twice:", users)
        full = {one.user_id: one for message in messages for one in message.memberships}
        need(sorted(full) == (users if is_full(call.request) else []), "another view")
        if call.request.HasField("as_of"):
            need(all(message.read_time == call.request.as_of for message in messages), "of another instant")
        # Which one it was is not told; the right one explains all.
        living = self.living(call.request, begun, ended)
        complaints = [self.complaint(call.request, segment, set(users), full, begun, ended) for segment in living]
        need(None in complaints, "no segment has these members:", complaints)

    def complaint(self, request, segment, users, full, begun, ended):
        for user in users | {user for user, of in self.log.stories if of == segment}:
            states = self.seen(request, user, segment, begun, ended)
            if user in full and not any(self.is_shown(full[user], state) for state in states):
                return f"user {user} was otherwise: {states}"
            if user in users and not any(states):
                return f"user {user} was not in"
            if user not in users and None not in states:
                return f"user {user} is missing: {states}"
        return None
