"""Following the audit log: what is committed arrives, once, in one order, whatever goes away meanwhile."""

import contextlib
import hashlib
import itertools
import os
import pathlib
import queue
import random
import signal
import tempfile
import threading
import time

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from conftest import Database, start_segmentd
from segmentation.v1 import audit_pb2
from segmentation.v1 import audit_service_pb2 as audit_messages
from segmentation.v1 import audit_service_pb2_grpc as audit_rpc
from segmentation.v1 import membership_pb2 as m
from segmentation.v1 import membership_service_pb2 as members_messages
from segmentation.v1 import membership_service_pb2_grpc as members_rpc
from segmentation.v1 import segment_pb2
from segmentation.v1 import segment_service_pb2 as segments_messages
from segmentation.v1 import segment_service_pb2_grpc as segments_rpc
from test_service import csv_line, refusal, violations

ids = itertools.count(70_000_000)
NOW = audit_messages.AUDIT_POSITION_NOW
OFTEN = Duration(nanos=100_000_000)
SECONDS = 60
# A transaction that runs, as the server's own do for a moment.
HOLD = "BEGIN; DO 'BEGIN PERFORM pg_current_xact_id(); END'"


@pytest.fixture(scope="module")
def slug(channel):
    segments_rpc.SegmentServiceStub(channel).CreateSegment(segments_messages.CreateSegmentRequest(slug="FOLLOWED"))
    return "FOLLOWED"


def assign(members, user, slug, **options):
    request = members_messages.UpdateUserSegmentsRequest(
        user_id=user, assign=[m.SegmentAssignment(segment=segment_pb2.SegmentSelector(slug=slug))],
        create_user=True, **options,
    )
    return members.UpdateUserSegments(request, timeout=SECONDS).audit_token


def follow(audit, **request):
    request.setdefault("heartbeat_interval", OFTEN)
    return audit.StreamAudit(audit_messages.StreamAuditRequest(follow=True, **request), timeout=SECONDS)


def eventually(condition):
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline


def users_until(stream, last):
    """The users of the records up to the one of `last`."""
    seen = []
    for event in stream:
        seen += [record.user_id for record in event.batch.records]
        if last in seen:
            return seen
    raise AssertionError(f"the stream ended after {seen}")


def started(stream):
    """The first message, which is a heartbeat for one that begins now."""
    event = next(stream)
    assert event.WhichOneof("event") == "heartbeat", event
    return event.heartbeat


def test_what_is_committed_arrives_behind_what_there_was(audit, members, slug):
    before, after = next(ids), next(ids)
    assign(members, before, slug)
    stream = follow(audit, user_ids=[before, after])
    assert users_until(stream, before) == [before]
    assign(members, after, slug)
    assert users_until(stream, after) == [after]
    stream.cancel()


def test_a_follower_from_now_starts_with_a_token_and_goes_on_from_its_last(audit, members, slug):
    old, first, second = next(ids), next(ids), next(ids)
    assign(members, old, slug)
    stream = follow(audit, start_position=NOW)
    token = started(stream).resume_token
    stream.cancel()
    assign(members, first, slug)
    stream = follow(audit, start_token=token)
    assert old not in users_until(stream, first)
    stream.cancel()
    assign(members, second, slug)
    stream = follow(audit, start_token=token, user_ids=[old, first, second])
    assert users_until(stream, second) == [first, second]
    stream.cancel()


def test_filters_hold_for_what_comes_and_heartbeats_pass_over_the_rest(audit, members, slug):
    wanted, other = next(ids), next(ids)
    stream = follow(audit, start_position=NOW, user_ids=[wanted], actions=[audit_pb2.AUDIT_ACTION_ASSIGN])
    first = started(stream)
    token = assign(members, other, slug)
    while True:
        event = next(stream)
        assert event.WhichOneof("event") == "heartbeat"
        assert event.heartbeat.time.seconds > 0
        rest = list(audit.StreamAudit(audit_messages.StreamAuditRequest(start_token=event.heartbeat.resume_token)))
        if event.heartbeat.resume_token != first.resume_token and other not in [
            record.user_id for answer in rest for record in answer.batch.records
        ]:
            break
    assert token
    assign(members, wanted, slug)
    assert users_until(stream, wanted) == [wanted]
    stream.cancel()


def test_a_limit_a_token_and_an_instant_end_a_follower_with_count_and_digest(audit, members, slug):
    users = [next(ids) for _ in range(3)]
    by_limit = follow(audit, start_position=NOW, limit=2, user_ids=users)
    started(by_limit)
    tokens = [assign(members, user, slug) for user in users]
    by_token = follow(audit, end_token=tokens[1], user_ids=users)
    end = Timestamp()
    end.FromNanoseconds(time.time_ns() + 1_500_000_000)
    by_time = follow(audit, end_time=end, user_ids=users)
    for stream, count in [(by_limit, 2), (by_token, 2), (by_time, 3)]:
        events = list(stream)
        found = [record for event in events for record in event.batch.records]
        assert [record.user_id for record in found] == users[:count]
        assert events[-1].end.count == count
        assert events[-1].end.digest == hashlib.sha256("".join(map(csv_line, found)).encode()).digest()


def test_an_interval_below_a_tenth_of_a_second_is_refused(audit):
    error = refusal(lambda: follow(audit, heartbeat_interval=Duration(nanos=99_999_999)))
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT and violations(error) == ["heartbeat_interval"]


def test_a_transaction_that_commits_late_is_not_missed(audit, members, database, slug):
    late, early = next(ids), next(ids)
    stream = follow(audit, start_position=NOW, user_ids=[late, early])
    started(stream)
    assign(members, late, slug)
    assert users_until(stream, late) == [late]
    # A transaction that runs holds back what others commit meanwhile, and nothing is skipped when it ends.
    with database.session(HOLD):
        assign(members, early, slug)
        assert next(stream).WhichOneof("event") == "heartbeat"
    assert users_until(stream, early) == [early]
    stream.cancel()


def test_followers_that_wait_or_have_left_cost_no_connection(audit, members, database, slug):
    """More of them than the server has connections, and calls are answered."""
    streams = [follow(audit, start_position=NOW) for _ in range(40)]
    for stream in streams:
        started(stream)
    listening = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"
    eventually(lambda: 1 <= int(database.query(listening)) <= os.cpu_count())
    user = next(ids)
    assign(members, user, slug)
    for stream in streams:
        users_until(stream, user)
    for stream in streams:
        stream.cancel()
    eventually(lambda: database.query(listening) == "0")


def test_a_lost_notification_costs_a_poll(audit, database, slug):
    user = next(ids)
    stream = follow(audit, start_position=NOW)
    started(stream)
    # Written past the server: nobody notifies.
    database.query(WRITE.format(user=user, slug=slug))
    users_until(stream, user)
    stream.cancel()


@pytest.fixture
def folder():
    with tempfile.TemporaryDirectory(prefix="segmentd-follow-", ignore_cleanup_errors=True) as name:
        os.chmod(name, 0o755)
        yield pathlib.Path(name)


def test_a_server_that_stops_sends_followers_away_behind_their_last_token(folder):
    server = start_segmentd(folder)
    with grpc.insecure_channel(server.address) as channel:
        stream = follow(audit_rpc.AuditServiceStub(channel), start_position=NOW, heartbeat_interval=Duration(seconds=60))
        started(stream)
        server.process.send_signal(signal.SIGTERM)
        begun = time.monotonic()
        last = next(stream)
        assert last.heartbeat.resume_token
        error = refusal(lambda: stream)
        assert error.code() == grpc.StatusCode.UNAVAILABLE and "stopping" in error.details()
    # Before the next heartbeat.
    assert server.process.wait(60) == 0 and time.monotonic() - begun < 60


# What the server writes for a new user, in a transaction that others may hold open.
WRITE = """WITH u AS (INSERT INTO segmentd.users (user_id) VALUES ({user})),
  s AS (SELECT id, slug, segmentd.settle(1, 1) AS xid FROM segmentd.segments WHERE slug = '{slug}'),
  m AS (INSERT INTO segmentd.memberships (user_id, segment_id, assigned_at, cause)
    SELECT {user}, id, statement_timestamp(), 1 FROM s)
  INSERT INTO segmentd.audit (xid, user_id, segment_id, action, cause, effective_at, segment_slug, actor)
  SELECT xid, {user}, id, 1, 1, statement_timestamp(), slug, '' FROM s"""


# --- the property ------------------------------------------------------------------------------------------------


# What becomes of calls whose server is killed, or whose database cannot be had in time.
LOST = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.RESOURCE_EXHAUSTED}


class World:
    """A server that is killed now and then, with those who write to it and those who follow it."""

    def __init__(self, folder, seed):
        self.folder = folder
        self.random = random.Random(seed)
        self.server = start_segmentd(folder)
        self.address = self.server.address
        self.stop_writing = threading.Event()
        self.acknowledged = queue.Queue()
        self.target = None
        self.failures = []

    def restart(self):
        self.server.stop(signal.SIGKILL)
        self.server = start_segmentd(self.folder)
        self.address = self.server.address

    def guarded(self, body, *arguments):
        try:
            body(*arguments)
        except Exception as error:  # Told by the test's own thread.
            self.failures.append(error)

    def write(self, number, seed):
        """Puts users in and out of segments until it is told to stop; what fails is tried no more."""
        source = random.Random(seed)
        users = itertools.count(number * 1_000_000 + 1)
        while not self.stop_writing.is_set():
            with grpc.insecure_channel(self.address) as channel:
                stub = members_rpc.MembershipServiceStub(channel)
                try:
                    while not self.stop_writing.is_set():
                        user = next(users)
                        slugs = [f"P{n}" for n in range(source.randint(1, 4))]
                        for names in [{"assign": slugs}, {"remove": slugs[: source.randint(0, len(slugs))]}]:
                            selectors = {
                                key: [segment_pb2.SegmentSelector(slug=slug) for slug in value] for key, value in names.items()
                            }
                            if "assign" in selectors:
                                selectors["assign"] = [m.SegmentAssignment(segment=s) for s in selectors["assign"]]
                            stub.UpdateUserSegments(
                                members_messages.UpdateUserSegmentsRequest(user_id=user, create_user=True, **selectors),
                                timeout=10,
                            )
                        self.acknowledged.put((user, slugs))
                except grpc.RpcError as error:
                    assert error.code() in LOST, error

    def write_late(self, number, seed):
        """Writes in transactions that stay open while others commit, and some of which are rolled back."""
        source = random.Random(seed)
        users = itertools.count(number * 1_000_000 + 1)
        while not self.stop_writing.is_set():
            # A server that was killed takes its PostgreSQL along.
            with contextlib.suppress(BrokenPipeError, StopIteration), Database(self.folder).open() as psql:
                while not self.stop_writing.is_set():
                    written = [next(users) for _ in range(source.randint(1, 3))]
                    tell(psql, "BEGIN", *(WRITE.format(user=user, slug="P0") for user in written))
                    time.sleep(source.choice([0, 0.001, 0.01, 0.05, 0.2]))
                    is_kept = source.random() < 0.8
                    tell(psql, "COMMIT" if is_kept else "ROLLBACK")
                    if is_kept:
                        for user in written:
                            self.acknowledged.put((user, ["P0"]))

    def follow(self, seed, found):
        """Reads with one token after the other, leaving at random, until it has come to the target."""
        source = random.Random(seed)
        token = ""
        while not self.failures:
            patience = source.choice([1, 3, 10, 50, 200])
            request = audit_messages.StreamAuditRequest(
                follow=True, heartbeat_interval=OFTEN, max_batch_records=source.choice([0, 1, 7, 100]),
                **({"start_token": token} if token else {}),
            )
            with grpc.insecure_channel(self.address) as channel:
                stream = audit_rpc.AuditServiceStub(channel).StreamAudit(request, timeout=20)
                try:
                    for event in itertools.islice(stream, patience):
                        found += [(r.sequence, csv_line(r)) for r in event.batch.records]
                        token = event.batch.resume_token or event.heartbeat.resume_token
                        if self.target is not None and len(found) >= self.target:
                            return
                except grpc.RpcError as error:
                    assert error.code() in LOST, error
                stream.cancel()


def test_every_follower_sees_every_record_once_in_one_order(folder):
    seed = int(os.environ.get("SEGMENTD_TEST_SEED", random.randrange(1 << 32)))
    print(f"SEGMENTD_TEST_SEED={seed}")
    world = World(folder, seed)
    with grpc.insecure_channel(world.address) as channel:
        stub = segments_rpc.SegmentServiceStub(channel)
        for n in range(4):
            stub.CreateSegment(segments_messages.CreateSegmentRequest(slug=f"P{n}"))
    writers = [threading.Thread(daemon=True, target=world.guarded, args=(world.write, n, seed + n)) for n in range(4)]
    writers += [threading.Thread(daemon=True, target=world.guarded, args=(world.write_late, n, seed + n)) for n in range(4, 8)]
    found = [[] for _ in range(4)]
    readers = [
        threading.Thread(daemon=True, target=world.guarded, args=(world.follow, seed + 100 + n, records)) for n, records in enumerate(found)
    ]
    for thread in writers + readers:
        thread.start()
    # Transactions that hold back what others commit, so that commits are out of order.
    for kill in (1, 2):
        for _ in range(8):
            with Database(folder).session(HOLD):
                count = world.acknowledged.qsize()
                deadline = time.monotonic() + SECONDS
                while world.acknowledged.qsize() < count + world.random.randint(5, 40) and not world.failures:
                    assert time.monotonic() < deadline, "nobody writes"
                    time.sleep(0.001)
        world.restart()
    world.stop_writing.set()
    for thread in writers:
        thread.join(SECONDS)
    with grpc.insecure_channel(world.address) as channel:
        events = list(audit_rpc.AuditServiceStub(channel).StreamAudit(audit_messages.StreamAuditRequest(), timeout=SECONDS))
    log = [(r.sequence, csv_line(r)) for event in events for r in event.batch.records]
    assert events[-1].end.count == len(log) > 100
    assert events[-1].end.digest == digest(log)
    world.target = len(log)
    for thread in readers:
        thread.join(SECONDS)
        assert not thread.is_alive(), f"seed {seed}: a follower does not end"
    assert not world.failures, f"seed {seed}: {world.failures}"
    for records in found:
        assert records == log, f"seed {seed}: {first_difference(records, log)}"
        assert digest(records) == events[-1].end.digest
    assigned = {tuple(line.split(",")[:2]) for _, line in log if ",ASSIGN," in line}
    while not world.acknowledged.empty():
        user, slugs = world.acknowledged.get()
        assert {(str(user), slug) for slug in slugs} <= assigned, f"seed {seed}: an acknowledged change is not in the log"
    assert world.server.stop() == 0


def digest(records):
    return hashlib.sha256("".join(line for _, line in records).encode()).digest()


def tell(psql, *statements):
    """Runs them, and returns when they are done."""
    psql.stdin.write("".join(statement + ";\n" for statement in statements) + "\\echo done\n")
    psql.stdin.flush()
    if psql.stdout.readline() != "done\n":
        raise BrokenPipeError


def first_difference(records, log):
    index = next((n for n, (a, b) in enumerate(zip(records, log)) if a != b), min(len(records), len(log)))
    return f"{len(records)} records, the log has {len(log)}; from {index}: {records[index:index + 2]} {log[index:index + 2]}"
