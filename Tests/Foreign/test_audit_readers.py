"""Many readers of the audit log at once, slow ones and ones that go away: on two connections to PostgreSQL and one event loop."""

import contextlib
import os
import pathlib
import re
import tempfile
import threading
import time
import urllib.request

import grpc
import pytest
from conftest import Database, start_segmentd
from prometheus_client.parser import text_string_to_metric_families
from segmentation.v1 import audit_service_pb2 as audit
from segmentation.v1 import audit_service_pb2_grpc as audit_rpc
from segmentation.v1 import membership_service_pb2 as members
from segmentation.v1 import membership_service_pb2_grpc as members_rpc
from test_runtime import Raw

pytestmark = pytest.mark.wire
SECONDS = 120
RECORDS = 60_000
CONNECTIONS = 2
# Its records' actor: with it, the log is large on the wire and quick to make.
ACTOR = "an actor whose name takes its place, " * 4
LOAD = f"""
INSERT INTO segmentd.segments (id, slug) SELECT i, 'READ_' || i FROM generate_series(1, 100) i;
INSERT INTO segmentd.users (user_id) SELECT generate_series(1, {RECORDS});
INSERT INTO segmentd.audit (xid, user_id, segment_id, effective_at, recorded_at, action, cause, segment_slug, actor)
SELECT pg_current_xact_id(), i, i % 100 + 1, now(), now(), 1, 2, 'READ_' || i % 100 + 1, '{ACTOR}' || i
FROM generate_series(1, {RECORDS}) i;
"""


class Readers:
    def __init__(self, folder):
        # No sweep after the first one: it would write to the log, and keep its connection while a test locks that.
        flags = ("--loops", "1", "--database-connections", str(CONNECTIONS), "--sweep-interval", "1h")
        self.server = start_segmentd(folder, *flags)
        self.database = Database(folder)
        self.database.query(LOAD)
        self.admin = re.search(r"metrics on (\S+)/metrics", "".join(self.server.lines))[1]

    def channel(self):
        return grpc.insecure_channel(self.server.address, [("grpc.use_local_subchannel_pool", 1)])

    def stream(self, channel, **request):
        return audit_rpc.AuditServiceStub(channel).StreamAudit(audit.StreamAuditRequest(**request), timeout=SECONDS)

    def in_use(self):
        """Connections of the calls' pool that somebody has."""
        with urllib.request.urlopen(f"{self.admin}/metrics", timeout=SECONDS) as answer:
            families = text_string_to_metric_families(answer.read().decode())
            return next(
                sample.value for family in families for sample in family.samples
                if sample.name == "segmentd_database_connections" and sample.labels == {"pool": "calls", "state": "in_use"})

    def copies(self):
        """COPYs that PostgreSQL works at, or that wait for a lock."""
        return int(self.database.query(
            "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%COPY (%' AND query NOT LIKE '%pg_stat%' AND state = 'active'"))

    def rss(self):
        return int(pathlib.Path(f"/proc/{self.server.process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def is_served(self):
        """How long one unary call takes that needs the database, in seconds."""
        started = time.monotonic()
        with self.channel() as channel:
            request = members.GetUserSegmentsRequest(user_id=1)
            members_rpc.MembershipServiceStub(channel).GetUserSegments(request, timeout=SECONDS)
        return time.monotonic() - started


@pytest.fixture(scope="module")
def readers():
    with tempfile.TemporaryDirectory(prefix="segmentd-test-", ignore_cleanup_errors=True) as folder:
        os.chmod(folder, 0o755)
        readers = Readers(pathlib.Path(folder))
        yield readers
        assert readers.server.stop() == 0, readers.server.error_text()


def eventually(condition):
    limit = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.01)


def test_many_readers_take_turns_and_calls_are_served_meanwhile(readers):
    count = 12
    taken, failures = [0] * count, []
    behind = []

    def read(number):
        try:
            with readers.channel() as channel:
                for event in readers.stream(channel):
                    taken[number] += len(event.batch.records)
                    end = event.end
                assert end.count == taken[number]
            # How far everybody else is when the first one is done.
            if not behind:
                behind.append(min(taken))
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=read, args=(n,), daemon=True) for n in range(count)]
    for thread in threads:
        thread.start()
    slowest = calls = 0
    while any(thread.is_alive() for thread in threads):
        slowest = max(slowest, readers.is_served())
        assert readers.in_use() <= CONNECTIONS
        calls += 1
    assert not failures and taken == [RECORDS] * count
    # In turns: nobody waits until others are done.
    assert behind[0] > RECORDS / 4, f"when the first was done, the last had {behind[0]} of {RECORDS}"
    assert calls > 3 and slowest < 5, f"one of {calls} calls took {slowest:.1f} s"


class Deaf(Raw):
    """Asks for the whole log and never opens its window."""

    def __init__(self, address):
        super().__init__(address)
        request = audit.StreamAuditRequest().SerializeToString()
        stream = self.headers(self.GRPC, path="/segmentation.v1.AuditService/StreamAudit")
        self.h2.send_data(stream, b"\0" + len(request).to_bytes(4, "big") + request, end_stream=True)
        self.flush()

    def fill(self):
        """Takes what its windows let through: 65,535 bytes of DATA, and nothing more."""
        self.taken = 0
        while self.taken < 65_535:
            for event in self.h2.receive_data(self.socket.recv(65_536)):
                self.taken += len(getattr(event, "data", b"")) if type(event).__name__ == "DataReceived" else 0
        assert self.taken == 65_535


def test_readers_that_never_open_their_window_cost_little_memory_and_no_connection(readers):
    # What one reader leaves behind in the process is there before it is measured.
    with readers.channel() as channel:
        assert sum(len(e.batch.records) for e in readers.stream(channel)) == RECORDS
    before = readers.rss()
    with contextlib.ExitStack() as stack:
        deaf = [Deaf(readers.server.address) for _ in range(30)]
        for each in deaf:
            stack.callback(each.socket.close)
        for each in deaf:
            each.fill()
        eventually(lambda: readers.in_use() == 0 and readers.copies() == 0)
        # A whole log is some 15 MiB, and 30 of them wait.
        assert readers.rss() - before < 64 << 20
        at_rest = readers.rss()
        with readers.channel() as channel:
            assert sum(len(e.batch.records) for e in readers.stream(channel)) == RECORDS
        assert readers.is_served() < 5
        assert readers.rss() - at_rest < 24 << 20


@pytest.mark.parametrize("how", ["cancel", "hang up"])
def test_a_reader_that_goes_away_frees_its_connection_at_once(readers, how):
    # A statement that would never end: nobody may read the log now.
    with readers.database.session("BEGIN; LOCK TABLE segmentd.audit IN ACCESS EXCLUSIVE MODE"):
        channel = readers.channel()
        stream = readers.stream(channel)
        eventually(lambda: readers.copies() == 1 and readers.in_use() == 1)
        if how == "cancel":
            stream.cancel()
        else:
            channel.close()
        eventually(lambda: readers.copies() == 0)
        eventually(lambda: readers.in_use() == 0)
        assert readers.is_served() < 5
        channel.close()
    with readers.channel() as channel:
        assert sum(len(e.batch.records) for e in readers.stream(channel)) == RECORDS


def test_a_reader_that_waits_for_its_turn_may_go_away(readers):
    with readers.database.session("BEGIN; LOCK TABLE segmentd.audit IN ACCESS EXCLUSIVE MODE"), readers.channel() as channel:
        first, second, third = (readers.stream(channel) for _ in range(3))
        eventually(lambda: readers.copies() == 1)
        second.cancel()
        first.cancel()
        eventually(lambda: readers.copies() == 1 and readers.in_use() == 1)
        third.cancel()
        eventually(lambda: readers.copies() == 0 and readers.in_use() == 0)
