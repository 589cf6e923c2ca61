"""Random operations: what each worker asks follows from its seed alone, when it is answered and what is not."""

import concurrent.futures
import random

from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp

from model_history import Client, now
from segmentation.v1 import membership_pb2 as m
from segmentation.v1 import membership_service_pb2 as members
from segmentation.v1 import segment_pb2
from segmentation.v1 import segment_service_pb2 as segments
from segmentation.v1 import user_service_pb2 as users

SLUGS = [f"S{n}" for n in range(8)]
# Users that nobody may get, because they are asked for under the id of another request.
MISUSED = 70_000_000
# Users that all workers change.
CONTENDED = list(range(900_001, 900_007))
# Of the users that a worker has to itself, it works with so many at a time.
WINDOW = 10
OUTREACH = [0.0, 0.0, 0.1, 0.42, 0.9, 1.0]
WEIGHTS = {
    "update": 44, "race": 8, "again": 6, "misuse": 1, "create_user": 8, "delete_user": 4, "create_segment": 5, "update_segment": 3,
    "delete_segment": 2, "import_rows": 4, "segments_of": 10, "batch": 3, "check": 7, "members_of": 1,
}


class Worker:
    def __init__(self, world, number, seed, operations):
        self.name = f"w{number}"
        self.random = random.Random(f"{seed}/{number}")
        self.operations = operations
        self.client = Client(world, self.name)
        # For the second copy of a request.
        self.twin = Client(world, f"{self.name}t")
        self.pool = concurrent.futures.ThreadPoolExecutor(1)
        self.first_user = 1 + number * 100_000
        self.done = 0
        self.ids = {}
        self.repeatable = []

    @property
    def calls(self):
        return self.client.calls + self.twin.calls

    def run(self):
        """The operations, one after the other."""
        try:
            while self.done < self.operations:
                getattr(self, self.random.choices(list(WEIGHTS), WEIGHTS.values())[0])()
                self.done += 1
        finally:
            self.pool.shutdown()
            self.client.close()
            self.twin.close()

    # --- what a request is made of ---

    def user(self):
        """Mostly one of its own; there are new ones all the time."""
        if self.random.random() < 0.25:
            return self.random.choice(CONTENDED)
        return self.first_user + self.done // 25 + self.random.randrange(WINDOW)

    def segment(self, slug=None):
        slug = slug or self.random.choice(SLUGS)
        if slug in self.ids and self.random.random() < 0.15:
            return segment_pb2.SegmentSelector(id=self.ids[slug])
        return segment_pb2.SegmentSelector(slug=slug)

    def request_id(self, chance=0.6):
        return f"{self.name}-{self.done}" if self.random.random() < chance else ""

    def lifetime(self):
        """Microseconds from now; some have passed before anything is written."""
        return self.random.choice([2_000, 5_000, 20_000, 50_000, 200_000, 200_000, 1_000_000, 60_000_000])

    def assignment(self, slug):
        kind = self.random.random()
        if kind < 0.35:
            return m.SegmentAssignment(segment=self.segment(slug))
        if kind < 0.75:
            life = self.lifetime()
            return m.SegmentAssignment(segment=self.segment(slug), ttl=Duration(seconds=life // 1_000_000, nanos=life % 1_000_000 * 1000))
        return m.SegmentAssignment(segment=self.segment(slug), expires_at=self.instant())

    def instant(self):
        at = now() + (self.lifetime() if self.random.random() < 0.95 else -1_000_000)
        return Timestamp(seconds=at // 1_000_000, nanos=at % 1_000_000 * 1000)

    def update_request(self, request_id):
        slugs = self.random.sample(SLUGS, self.random.choice([1, 1, 2, 2, 3, 4]))
        split = self.random.randint(0, len(slugs))
        return members.UpdateUserSegmentsRequest(
            user_id=self.user(), assign=[self.assignment(slug) for slug in slugs[:split]],
            remove=[self.segment(slug) for slug in slugs[split:]], present_policy=self.random.choice([0, 1, 2, 2, 3, 3]),
            missing_policy=self.random.choice([0, 1, 2, 2, 2]), create_user=self.random.random() < 0.6, request_id=request_id,
            validate_only=self.random.random() < 0.06,
        )

    # --- changes ---

    def update(self):
        self.note(self.client.ask("UpdateUserSegments", self.update_request(self.request_id())))

    def note(self, call):
        if call.response is None:
            return
        self.ids.update((o.segment_slug, o.segment_id) for o in getattr(call.response, "outcomes", []) if o.segment_id)
        if call.request_id and not call.is_dry:
            self.repeatable.append(call)

    def race(self):
        """Two copies of one request at once."""
        method, request = self.random.choice([self.racing_update, self.racing_update, self.racing_user, self.racing_segment])()
        other = self.pool.submit(self.twin.ask, method, request)
        self.note(self.client.ask(method, request))
        self.note(other.result(240))

    def racing_update(self):
        return "UpdateUserSegments", self.update_request(self.request_id(1))

    def racing_user(self):
        user = self.first_user + 50_000 + self.done if self.random.random() < 0.7 else self.user()
        return "CreateUser", users.CreateUserRequest(
            user_id=user, allow_existing=self.random.random() < 0.3, request_id=self.request_id(1))

    def racing_segment(self):
        if self.random.random() < 0.3:
            return "DeleteUser", users.DeleteUserRequest(user_id=self.user(), request_id=self.request_id(1))
        if self.random.random() < 0.2:
            return "UpdateSegment", self.outreach_request()
        if self.random.random() < 0.4:
            return "DeleteSegment", segments.DeleteSegmentRequest(segment=self.segment(), request_id=self.request_id(1))
        return "CreateSegment", self.segment_request()

    def segment_request(self):
        return segments.CreateSegmentRequest(
            slug=self.random.choice(SLUGS), outreach=self.random.choice(OUTREACH), description=f"of {self.name}",
            request_id=self.request_id(1), validate_only=self.random.random() < 0.1)

    def outreach_request(self):
        return segments.UpdateSegmentRequest(
            segment=self.segment(), update_mask=FieldMask(paths=["outreach"]), outreach=self.random.choice(OUTREACH),
            present_policy=self.random.choice([0, 1, 2]), release_policy=self.random.choice([0, 1, 1, 2]),
            request_id=self.request_id(1), validate_only=self.random.random() < 0.1)

    def again(self):
        """A request that was answered before."""
        if self.repeatable:
            call = self.random.choice(self.repeatable[-40:])
            self.client.ask(call.method, call.request)

    def misuse(self):
        """The id of an earlier request for another one."""
        if self.repeatable:
            request = users.CreateUserRequest(user_id=self.user(), request_id=self.random.choice(self.repeatable).request_id)
            request.user_id += MISUSED
            self.client.ask("CreateUser", request)

    def create_user(self):
        self.note(self.client.ask("CreateUser", users.CreateUserRequest(
            user_id=self.user(), allow_existing=self.random.random() < 0.5, request_id=self.request_id(),
            validate_only=self.random.random() < 0.1)))

    def delete_user(self):
        self.note(self.client.ask("DeleteUser", users.DeleteUserRequest(
            user_id=self.user(), allow_missing=self.random.random() < 0.4, request_id=self.request_id(1),
            validate_only=self.random.random() < 0.1)))

    def create_segment(self):
        self.note(self.client.ask("CreateSegment", self.segment_request()))

    def update_segment(self):
        self.note(self.client.ask("UpdateSegment", self.outreach_request()))

    def delete_segment(self):
        self.note(self.client.ask("DeleteSegment", segments.DeleteSegmentRequest(
            segment=self.segment(), allow_missing=self.random.random() < 0.3, request_id=self.request_id(1),
            validate_only=self.random.random() < 0.1)))

    def import_rows(self):
        pairs = {(self.user(), self.random.choice([*SLUGS, ""])) for _ in range(self.random.randint(1, 40))}
        rows = [
            members.ImportRow(user_id=user, segment=slug, expires_at=self.instant() if self.random.random() < 0.5 else None)
            for user, slug in sorted(pairs)
        ]
        options = members.ImportOptions(
            create_users=self.random.random() < 0.5, create_segments=self.random.random() < 0.1,
            present_policy=self.random.choice([0, 1, 2, 3]), validate_only=self.random.random() < 0.1)
        half = self.random.randint(0, len(rows))
        self.client.ask("ImportMemberships", [
            members.ImportMembershipsRequest(options=options, rows=rows[:half]), members.ImportMembershipsRequest(rows=rows[half:])])

    # --- reads ---

    def as_of(self):
        """Mostly now; else an instant that others may be writing about, or one further back."""
        if self.random.random() < 0.7:
            return None
        at = now() - self.random.choice([0, 1_000, 10_000, 200_000, 2_000_000])
        return Timestamp(seconds=at // 1_000_000, nanos=at % 1_000_000 * 1000)

    def segments_of(self):
        self.client.ask("GetUserSegments", members.GetUserSegmentsRequest(
            user_id=self.user(), view=self.random.randint(0, 2), as_of=self.as_of()))

    def batch(self):
        asked = [self.user() for _ in range(self.random.randint(1, 8))]
        self.client.ask("BatchGetUserSegments", members.BatchGetUserSegmentsRequest(
            user_ids=asked, view=self.random.randint(0, 2), as_of=self.as_of()))

    def check(self):
        self.client.ask("CheckMembership", members.CheckMembershipRequest(
            user_id=self.user(), segment=self.segment(), as_of=self.as_of()))

    def members_of(self):
        self.client.ask("ListSegmentMembers", segments.ListSegmentMembersRequest(
            segment=self.segment(), view=self.random.randint(0, 2), max_batch_size=self.random.choice([0, 1, 7]), as_of=self.as_of()))
