"""Judges a history: every answer must be what the model says, and the database must hold nothing else."""

import collections

import grpc

from model_facts import Facts, Group
from model_history import FOREVER, micros
from model_log import ASSIGN, DEPRIVE, EXPIRY, IMPORT, LOG, MEMBERSHIPS, OUTREACH, RENEW, REQUEST, SEGMENT_DELETED, USER_DELETED, Broken, Log
from model_outreach import ROLLOUTS, OutreachJudge
from model_reads import Reads
from model_workload import MISUSED
from segmentation.v1 import membership_pb2 as m
from segmentation.v1 import segment_pb2

Code = grpc.StatusCode
FAIL, KEEP, REPLACE = 1, 2, 3
ASSIGNED, RENEWED, KEPT, REMOVED, NOT_PRESENT, SEGMENT_NOT_FOUND = 1, 2, 3, 4, 5, 6
# What goes on behind the answer, and by when such a record is there, in microseconds.
BACKGROUND = {"CreateSegment", "UpdateSegment", "DeleteSegment"}
CHUNK = 10_000_000
ACTIONS = {ASSIGNED: ASSIGN, RENEWED: RENEW, REMOVED: DEPRIVE}


def need(condition, *texts):
    if not condition:
        raise Broken("\n".join(map(str, texts)))


class Judge(Reads, OutreachJudge):
    """Everything that is known in the end. Each method judges one thing and raises `Broken`."""

    def __init__(self, world, calls):
        by_request = collections.defaultdict(list)
        for number, call in enumerate(calls):
            # The id that somebody used for something else makes no group. Of what is only asked no answer is kept.
            foreign = call.refusal is not None and "request_id" in call.refusal.fields
            is_alone = foreign or call.is_dry or not call.request_id
            by_request[number if is_alone else (call.request_id, call.method)].append(call)
        self.groups = [Group(calls) for calls in by_request.values()]
        self.of_actor = {actor: group for group in self.groups for actor in group.actors}
        self.facts = Facts(world, self.groups)
        self.log = Log(world.rows(LOG), self.visible)
        self.world = world
        self.rollouts = {row["actor"]: row for row in world.rows(ROLLOUTS)}

    def visible(self, row):
        """By when a record could be read."""
        if row.cause == EXPIRY:
            return FOREVER
        group = self.of_actor.get(row.actor)
        need(group, f"nobody asked for {row}")
        if group.method in BACKGROUND:
            need(group.begun <= row.recorded, f"{row} was written before\n{group}")
            return row.recorded + CHUNK
        need(group.begun <= row.recorded <= group.acked, f"{row} was not written during\n{group}")
        return group.acked

    def failures(self):
        """Everything that is wrong, in words."""
        found = []
        for judge in [self.judge_memberships, *self.outreach_judges(), self.judge_counts]:
            try:
                judge()
            except Broken as error:
                found.append(str(error))
        for group in self.groups:
            for judge in [self.judge_group, *(lambda g, call=call: self.judge_call(g, call) for call in group.calls)]:
                try:
                    judge(group)
                except Broken as error:
                    found.append(f"{error}\n  in {group}")
        return found

    # --- a request, however often it was made ---

    def judge_group(self, group):
        rows = [row for actor in group.actors for row in self.log.by_actor.get(actor, [])]
        if group.is_dry or (group.answer is None and not group.is_open):
            return need(not rows, "refused or only asked, and yet written:", rows)
        need(len({row.actor for row in rows}) <= 1, "written by more than one attempt:", rows)
        answers = [call.response for call in group.calls if call.response is not None]
        need(all(answer == answers[0] for answer in answers), "the same request got different answers")
        if group.method not in {*BACKGROUND, "ImportMemberships"}:
            need(len({row.writer for row in rows}) <= 1, "written by more than one transaction:", rows)
        need(all(row.request_id == group.calls[0].request_id for row in rows), "another request id is recorded:", rows)
        judge = getattr(self, f"judge_{group.method}", None)
        if judge and group.answer is not None:
            judge(group, group.answer, rows)

    def judge_UpdateUserSegments(self, group, answer, rows):
        request = group.request
        written = {row.segment: row for row in rows if row.cause == REQUEST}
        need(len(written) == sum(row.cause == REQUEST for row in rows), "a membership was changed twice:", rows)
        items = [(a.segment, a) for a in request.assign] + [(selector, None) for selector in request.remove]
        need(len(items) == len(answer.outcomes), "outcomes are missing")
        for (selector, assignment), outcome in zip(items, answer.outcomes):
            need(selector == outcome.segment, "another segment than was asked for:", outcome)
            row = written.pop(outcome.segment_id, None)
            need((row is not None) == (outcome.outcome in ACTIONS), "not written as it was answered:", outcome, row)
            self.judge_item(group, assignment, outcome, row)
        need(not written, "written and not answered:", written)
        need(answer.user_created <= request.create_user, "a user was made that was not to be")
        need(bool(answer.audit_token) == bool(rows), "a token tells of changes:", rows)

    def judge_item(self, group, assignment, outcome, row):
        """One segment of an update: what was found and the policies lead to the outcome."""
        request, ended = group.request, min(group.acked, row.recorded if row else FOREVER)
        if outcome.outcome == SEGMENT_NOT_FOUND:
            need(assignment is None and request.missing_policy == 2, "was to fail:", outcome)
            return need(
                self.facts.may_not_live(outcome.segment, group.begun, ended), "the segment was there:", outcome,
                self.facts.named(outcome.segment))
        life = self.facts.segments[outcome.segment_id]
        need(life in self.facts.named(outcome.segment) and life.slug == outcome.segment_slug, "another segment:", outcome)
        need(life.may_live(group.begun, ended), "the segment was not there:", outcome)
        expires = micros(outcome.expires_at) if outcome.HasField("expires_at") else None
        states = (
            {self.log.before(row)} if row else self.log.possible(request.user_id, outcome.segment_id, group.begun, ended))
        if assignment is None:
            need(outcome.outcome in (REMOVED, NOT_PRESENT) and expires is None, "not what removing comes to:", outcome)
            need(any((state is not None) == (outcome.outcome == REMOVED) for state in states), "it was otherwise:", states, outcome)
            return need(outcome.outcome == REMOVED or request.missing_policy == 2, "was to fail:", outcome)
        if outcome.outcome == KEPT:
            need(any(state and state.expires == expires for state in states), "it was otherwise:", states, outcome)
            return need(
                request.present_policy == KEEP or request.present_policy == REPLACE and self.fits(group, assignment, expires, ended),
                "was not to be kept:", outcome)
        need(row.expires == expires and self.fits(group, assignment, expires, row.recorded), "another expiry:", outcome, row)
        need(row.action == ACTIONS[outcome.outcome], "another action:", outcome, row)
        need(outcome.outcome == ASSIGNED or request.present_policy == REPLACE, "was to fail or to be kept:", outcome)

    @staticmethod
    def fits(group, assignment, expires, ended):
        """Whether the expiry is the one that was asked for at some moment until then."""
        match assignment.WhichOneof("expiry"):
            case None:
                return expires is None
            case "expires_at":
                return expires == micros(assignment.expires_at)
            case "ttl":
                # One that is tried again counts from when it is thought to be written.
                late = 2 * (min(group.acked, ended + CHUNK) - group.begun)
                return expires is not None and group.begun <= expires - micros(assignment.ttl) <= ended + late

    def judge_CreateUser(self, group, answer, rows):
        need(all(row.cause == OUTREACH for row in rows), "a new user is enrolled by outreach only:", rows)
        need(sorted(row.slug for row in rows) == list(answer.segments), "other segments than were answered:", rows)
        need(answer.created or not rows, "a known user was enrolled:", rows)
        need(answer.created or group.request.allow_existing, "was to fail")
        need(bool(answer.audit_token) == bool(rows), "a token tells of changes:", rows)

    def judge_DeleteUser(self, group, answer, rows):
        need(answer.HasField("user") or group.request.allow_missing, "was to fail")
        need(all((row.cause, row.user) == (USER_DELETED, group.request.user_id) for row in rows), "other records:", rows)
        need(sorted(row.slug for row in rows) == list(answer.segments), "other segments than were answered:", rows)
        # What had expired has no actor.
        need(answer.audit_token or not rows, "a token tells of changes:", rows)

    def judge_CreateSegment(self, group, answer, rows):
        life = self.facts.segments[answer.segment.id]
        need((life.slug, answer.segment.outreach) == (group.request.slug, group.request.outreach), "another segment:", life)
        self.judge_rollout(group, answer, rows)

    def judge_UpdateSegment(self, group, answer, rows):
        life = self.facts.segments[answer.segment.id]
        need(life in self.facts.named(group.request.segment), "another segment:", life)
        need(answer.segment.outreach == group.request.outreach, "another outreach")
        self.judge_rollout(group, answer, rows)

    def judge_DeleteSegment(self, group, answer, rows):
        need(answer.segment.id or group.request.allow_missing, "was to fail")
        need(all((row.cause, row.segment) == (SEGMENT_DELETED, answer.segment.id) for row in rows), "another segment's members:", rows)

    def judge_ImportMemberships(self, group, answer, rows):
        asked = {(row.user_id, row.segment): row for message in group.request for row in message.rows}
        options = group.request[0].options
        counted = (answer.assigned, answer.renewed, answer.already_present, answer.rejected, answer.users_only)
        need(answer.rows == len(asked) == sum(counted), "a row is not counted once")
        written = {(row.user, row.slug): row for row in rows if row.cause == IMPORT}
        actions = collections.Counter(row.action for row in written.values())
        need((actions[ASSIGN], actions[RENEW]) == (answer.assigned, answer.renewed), "not as it was counted:", rows)
        need(answer.renewed == 0 or options.present_policy == REPLACE, "was not to be renewed")
        rejected = {list(asked)[rejection.row]: rejection for rejection in answer.rejections}
        for key, row in asked.items():
            expires = micros(row.expires_at) if row.HasField("expires_at") else None
            if key in rejected:
                need(key not in written, "rejected and written:", row)
                self.judge_rejection(group, options, row, expires, rejected[key])
            elif record := written.get(key):
                need(record.expires == expires, "another expiry:", record)
            elif row.segment:
                selector = segment_pb2.SegmentSelector(slug=row.segment)
                need(options.present_policy in (0, KEEP, REPLACE) and any(
                    self.member(row.user_id, segment, group.begun, group.acked)
                    for segment, life in self.facts.segments.items() if life in self.facts.named(selector)), "was not there:", row)

    def judge_rejection(self, group, options, row, expires, rejection):
        window = group.begun, group.acked
        selector = segment_pb2.SegmentSelector(slug=row.segment)
        reasons = {
            3: lambda: expires is not None and expires <= group.acked,
            4: lambda: not options.create_users and self.facts.user_may_miss(row.user_id, *window),
            5: lambda: not options.create_segments and self.facts.may_not_live(selector, *window),
            6: lambda: options.present_policy == FAIL and any(
                self.member(row.user_id, segment, *window) for segment in self.log.by_user[row.user_id]),
        }
        need(reasons[rejection.reason](), "rejected without a reason:", row, rejection)

    # --- one call ---

    def judge_call(self, group, call):
        if call.refusal is None:
            judge = getattr(self, f"read_{call.method}", None)
            return judge(call, call.response, call.begun, call.ended) if judge and call.response is not None else None
        refusal = call.refusal
        if refusal.code in (Code.ABORTED, Code.RESOURCE_EXHAUSTED):
            return None
        need(group.acked >= call.begun, "refused, and was answered before")
        judge = {Code.NOT_FOUND: self.not_found, Code.ALREADY_EXISTS: self.exists, Code.INVALID_ARGUMENT: self.invalid}
        need(refusal.code in judge, "refused with a status that nobody should see")
        need(judge[refusal.code](call.request, refusal, call.begun, call.ended, group), "refused without a reason",
             *(self.facts.named(self.selector(name)) for name in refusal.resources))

    def not_found(self, request, refusal, begun, ended, group):
        window = begun, ended, group
        if refusal.reason == "USER_NOT_FOUND":
            return not getattr(request, "create_user", False) and self.facts.user_may_miss(request.user_id, *window)
        if refusal.reason == "SEGMENT_NOT_FOUND":
            if hasattr(request, "as_of") and request.HasField("as_of"):
                return not self.living(request, begun, ended)
            named = [self.selector(name) for name in refusal.resources]
            return all(self.facts.may_not_live(selector, *window) for selector in named)
        return request.missing_policy in (0, 1) and all(
            any(self.absent(request.user_id, segment, begun, ended, group.actors) for segment in self.ids(name))
            for name in refusal.resources)

    def exists(self, request, refusal, begun, ended, group):
        if refusal.reason == "USER_ALREADY_EXISTS":
            return not request.allow_existing and self.facts.user_may_exist(request.user_id, begun, ended, group)
        if refusal.reason == "SEGMENT_ALREADY_EXISTS":
            return self.facts.may_live(segment_pb2.SegmentSelector(slug=request.slug), begun, ended, group)
        return request.present_policy in (0, FAIL) and all(
            any(self.member(request.user_id, segment, begun, ended, group.actors) for segment in self.ids(name))
            for name in refusal.resources)

    def invalid(self, request, refusal, begun, ended, group):
        field = refusal.fields[0]
        if field == "request_id":
            return getattr(request, "user_id", 0) > MISUSED
        if field.endswith(".expires_at"):
            number = int(field.removeprefix("assign[").split("]")[0])
            return micros(request.assign[number].expires_at) <= ended
        # A segment by its slug and by its id: only one that is named by id may be another's.
        selectors = [a.segment for a in request.assign] + list(request.remove)
        return field.endswith(".segment") and any(s.WhichOneof("segment") == "id" for s in selectors)

    @staticmethod
    def selector(name):
        """Of a resource's name; no slug of the workload is a number."""
        text = name.split("/")[-1]
        return segment_pb2.SegmentSelector(id=int(text)) if text.isdigit() else segment_pb2.SegmentSelector(slug=text)

    def ids(self, name):
        lives = self.facts.named(self.selector(name))
        return [segment for segment, life in self.facts.segments.items() if life in lives]

    # --- everything ---

    def judge_memberships(self):
        """Replaying the log gives the memberships, exactly."""
        found = collections.Counter(
            (int(row["user_id"]), int(row["segment_id"]), row["expires"], row["assigned"], row["cause"])
            for row in self.world.rows(MEMBERSHIPS))
        replayed = collections.Counter(
            (user, segment, str(state.expires or ""), str(state.assigned), str(state.cause))
            for (user, segment), state in self.log.memberships().items())
        need(found == replayed, "there, and not in the log:", found - replayed, "in the log, and not there:", replayed - found)

    def judge_counts(self):
        """No user was made that nobody asked for or more often than was answered."""
        answers = [g.answer for g in self.groups if g.answer is not None and not g.is_dry]
        told = sum(getattr(a, "user_created", False) + getattr(a, "created", False) + getattr(a, "users_created", 0) for a in answers)
        made = sum(map(len, self.facts.users.values()))
        is_open = any(group.is_open for group in self.groups)
        need(told <= made and (is_open or told == made), "users made and told:", made, told)
