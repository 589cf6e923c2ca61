"""Changes of outreach and deletions of segments in the background, through grpcio, segctl and a server that is killed."""

import hashlib
import json
import os
import pathlib
import signal
import subprocess
import tempfile
import time

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from conftest import Database, binary, start_segmentd, steady_address
from segmentation.v1 import audit_pb2, membership_pb2
from segmentation.v1 import membership_service_pb2 as members_messages
from segmentation.v1 import segment_pb2
from segmentation.v1 import segment_service_pb2 as segments_messages
from segmentation.v1 import segment_service_pb2_grpc as segments_rpc
from test_service import refusal, violations

# Users of these tests only.
BASE = 9_000_000


@pytest.fixture(scope="module")
def segments(channel):
    """Segments with an outreach would bring in the users of other tests: none stays."""
    stub = segments_rpc.SegmentServiceStub(channel)
    yield stub
    for segment in stub.ListSegments(segments_messages.ListSegmentsRequest(slug_prefix="RO_")).segments:
        stub.DeleteSegment(segments_messages.DeleteSegmentRequest(segment=segment_pb2.SegmentSelector(id=segment.id)))


def by_slug(name):
    return segment_pb2.SegmentSelector(slug=name)


def update(segments, name, *paths, **fields):
    return segments.UpdateSegment(
        segments_messages.UpdateSegmentRequest(segment=by_slug(name), update_mask=FieldMask(paths=paths), **fields)
    )


def bucket(segment, user):
    return int.from_bytes(hashlib.sha256(f"{segment}:{user}".encode()).digest()[:4], "big") * 1_000_000 >> 32


def segctl(address, *arguments, check=True, **options):
    done = subprocess.run(
        [binary("segctl"), *map(str, arguments)], capture_output=True, text=True, timeout=120,
        env={**os.environ, "SEGCTL_ADDRESS": address}, **options,
    )
    assert not check or done.returncode == 0, f"segctl {arguments}: {done.returncode}\n{done.stderr}"
    return done


def rollout(address, name, *flags):
    return json.loads(segctl(address, "segment", "rollout", name, "-o", "json", *flags).stdout)[0]


# --- New users ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", [membership_pb2.PRESENT_POLICY_FAIL, membership_pb2.PRESENT_POLICY_KEEP])
def test_an_import_assigns_what_it_lists_for_its_new_users_also_where_outreach_covers_them(segments, members, policy):
    name, first = f"RO_LISTED_{policy}", BASE + 500_000 + 10_000 * policy
    segments.CreateSegment(segments_messages.CreateSegmentRequest(slug=name, outreach=1))
    # All users first, and the segment thousands of rows behind.
    rows = [members_messages.ImportRow(user_id=first + n) for n in range(6000)]
    rows += [members_messages.ImportRow(user_id=first + n, segment=name) for n in (0, 5999)]
    rows += [members_messages.ImportRow(user_id=first + 6000, segment=name)]
    answers = []
    for validate_only in (True, False):
        options = members_messages.ImportOptions(create_users=True, present_policy=policy, validate_only=validate_only)
        answer = members.ImportMemberships(iter([members_messages.ImportMembershipsRequest(options=options, rows=rows)]))
        answer.audit_token = ""
        answers.append(answer)
    assert answers[0] == answers[1]
    assert (answer.assigned, answer.users_only, answer.users_created, answer.rejected) == (3, 6000, 6001, 0)
    for user, source in [(0, "IMPORT"), (5999, "IMPORT"), (6000, "IMPORT"), (1, "OUTREACH")]:
        full = members.GetUserSegments(members_messages.GetUserSegmentsRequest(
            user_id=first + user, view=membership_pb2.MEMBERSHIP_VIEW_FULL))
        found = {membership.segment_slug: membership.source for membership in full.memberships}
        assert audit_pb2.AuditCause.Name(found[name]) == f"AUDIT_CAUSE_{source}"


# --- UpdateSegment and WatchRollout ------------------------------------------------------------------------------


def test_a_change_of_outreach_is_watched_to_its_end(segments):
    created = segments.CreateSegment(segments_messages.CreateSegmentRequest(slug="RO_WATCH", outreach=0.5))
    assert created.rollout.id > 0 and created.rollout.state == segment_pb2.ROLLOUT_STATE_PENDING
    changed = update(segments, "RO_WATCH", "outreach", "description", outreach=0.9, description="more", etag=created.segment.etag)
    assert changed.segment.outreach_ppm == 900_000 and changed.segment.description == "more"
    assert changed.rollout.from_ppm == 500_000 and changed.rollout.to_ppm == 900_000
    seen = [a.rollout for a in segments.WatchRollout(segments_messages.WatchRolloutRequest(segment=by_slug("RO_WATCH")))]
    assert seen[-1].id == changed.rollout.id and seen[-1].state == segment_pb2.ROLLOUT_STATE_DONE
    assert seen[-1].users_done == seen[-1].users_total and seen[-1].HasField("end_time")
    full = segments.GetSegment(
        segments_messages.GetSegmentRequest(segment=by_slug("RO_WATCH"), view=segment_pb2.SEGMENT_VIEW_FULL)
    ).segment
    assert not full.HasField("rollout") and full.etag == changed.segment.etag


def test_a_segment_without_a_rollout_is_watched_in_vain(segments):
    segments.CreateSegment(segments_messages.CreateSegmentRequest(slug="RO_NONE"))
    watch = lambda name: list(segments.WatchRollout(segments_messages.WatchRolloutRequest(segment=by_slug(name))))
    assert watch("RO_NONE") == []
    assert refusal(lambda: watch("RO_NOWHERE")).code() == grpc.StatusCode.NOT_FOUND


def test_a_wrong_change_names_what_is_wrong(segments):
    created = segments.CreateSegment(segments_messages.CreateSegmentRequest(slug="RO_WRONG")).segment
    assert violations(refusal(lambda: update(segments, "RO_WRONG"))) == ["update_mask"]
    assert violations(refusal(lambda: update(segments, "RO_WRONG", "slug"))) == ["update_mask"]
    assert violations(refusal(lambda: update(segments, "RO_WRONG", "outreach", outreach=2))) == ["outreach"]
    assert violations(refusal(lambda: update(segments, "RO_WRONG", "outreach", present_policy=9))) == ["present_policy"]
    assert violations(refusal(lambda: update(segments, "RO_WRONG", "outreach", release_policy=9))) == ["release_policy"]
    # What the mask does not name stays, whatever the request says of it.
    same = update(segments, "RO_WRONG", "description", outreach=0.5)
    assert same.segment.outreach_ppm == 0 and not same.HasField("rollout") and same.segment.etag == created.etag
    stale = refusal(lambda: update(segments, "RO_WRONG", "outreach", outreach=0.5, etag="old"))
    assert stale.code() == grpc.StatusCode.ABORTED
    foretold = update(segments, "RO_WRONG", "outreach", outreach=0.5, validate_only=True)
    assert foretold.rollout.to_ppm == 500_000 and foretold.rollout.id == 0
    again = [update(segments, "RO_WRONG", "outreach", outreach=0.25, request_id="ro-1") for _ in range(2)]
    assert again[0] == again[1] and again[0].rollout.id > 0


# --- segctl ------------------------------------------------------------------------------------------------------


def test_segctl_changes_and_shows(server, segments):
    run = lambda *arguments, **options: segctl(server.address, *arguments, **options)
    run("segment", "create", "RO_CTL", "--outreach", 0.1)
    changed = json.loads(run("segment", "update", "RO_CTL", "--outreach", 0.3, "--description", "x", "-o", "json").stdout)
    assert changed["outreach_ppm"] == 300_000 and changed["description"] == "x"
    assert changed["rollout"]["to_ppm"] == 300_000
    watched = rollout(server.address, "RO_CTL", "--watch")
    assert watched["id"] == changed["rollout"]["id"] and watched["state"] == "DONE"
    lines = run("segment", "rollout", "RO_CTL", "--watch", "-o", "jsonl").stdout.splitlines()
    assert json.loads(lines[-1])["state"] == "DONE"
    assert run("segment", "rollout", "RO_CTL").stdout.split()[:2] == ["ID", "SEGMENT"]
    assert run("segment", "update", "RO_CTL", check=False).returncode == 64
    assert run("segment", "update", "RO_CTL", "--outreach", 7, check=False).returncode == 6
    assert run("segment", "rollout", "NOWHERE", check=False).returncode == 4
    run("segment", "update", "RO_CTL", "--outreach", 0, "--uncovered", "keep", "--if-present", "adopt")


# --- a server that is killed -------------------------------------------------------------------------------------


class Killable:
    """A server with a private PostgreSQL of its own that can be killed and started again."""

    def __init__(self, folder):
        self.folder = folder
        self.server = start_segmentd(folder)
        self.database = Database(folder)

    def kill(self):
        self.server.stop(signal.SIGKILL)

    def start(self):
        self.server = start_segmentd(self.folder)
        self.database = Database(self.folder)

    def check(self):
        done = subprocess.run(
            [binary("segmentd"), "audit", "check", "--data-dir", str(self.folder)], capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def killable():
    with tempfile.TemporaryDirectory(prefix="segmentd-test-", ignore_cleanup_errors=True) as folder:
        os.chmod(folder, 0o755)
        killable = Killable(pathlib.Path(folder))
        yield killable
        killable.server.stop()


def wait_until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def test_a_rollout_survives_kill_9_and_puts_nobody_in_twice(killable):
    """42% of 20,000 users, killed twice on the way; then up to 60%, down to 10%, and deleted, killed once each."""
    count = 20_000
    rows = "user_id,segment_slug\n" + "".join(f"{BASE + n},\n" for n in range(count))
    segctl(killable.server.address, "import", "memberships", "-", "--create-users", input=rows)
    users = range(BASE, BASE + count)
    done = lambda: int(killable.database.query("SELECT users_done FROM segmentd.rollouts ORDER BY id DESC LIMIT 1") or 0)
    members = lambda: {int(u) for u in killable.database.query("SELECT user_id FROM segmentd.memberships").split()}

    def interrupted(*command):
        """Runs the command that begins a rollout, and kills the server once some of it is done."""
        before = int(killable.database.query("SELECT coalesce(max(id), 0) FROM segmentd.rollouts"))
        segctl(killable.server.address, *command)
        latest = lambda: int(killable.database.query("SELECT coalesce(max(id), 0) FROM segmentd.rollouts"))
        wait_until(lambda: latest() > before and done() > 0)
        killable.kill()
        killable.start()

    interrupted("segment", "create", "BIG", "--outreach", 0.42)
    segment = int(killable.database.query("SELECT id FROM segmentd.segments"))
    covered = lambda ppm: {user for user in users if bucket(segment, user) < ppm}
    # Users who come while it runs, and calls that are answered.
    for user in range(BASE + count, BASE + count + 20):
        segctl(killable.server.address, "user", "create", user)
    killable.kill()
    killable.start()
    finished = rollout(killable.server.address, "BIG", "--watch")
    assert finished["state"] == "DONE" and finished["assigned"] == len(covered(420_000))
    users = range(BASE, BASE + count + 20)
    assert members() == covered(420_000)
    twice = "SELECT count(*) - count(DISTINCT user_id) FROM segmentd.audit WHERE action = 1"
    assert killable.database.query(twice) == "0"

    outsider = next(user for user in users if bucket(segment, user) >= 900_000)
    segctl(killable.server.address, "user", "update", outsider, "--assign", "BIG")
    interrupted("segment", "update", "BIG", "--outreach", 0.6)
    assert rollout(killable.server.address, "BIG", "--watch")["state"] == "DONE"
    assert members() == covered(600_000) | {outsider} and killable.database.query(twice) == "0"

    interrupted("segment", "update", "BIG", "--outreach", 0.1)
    lowered = rollout(killable.server.address, "BIG", "--watch")
    assert lowered["state"] == "DONE" and lowered["released"] == len(covered(600_000)) - len(covered(100_000))
    assert members() == covered(100_000) | {outsider}

    segctl(killable.server.address, "segment", "delete", "BIG")
    killable.kill()
    killable.start()
    wait_until(lambda: members() == set())
    ends = killable.database.query("SELECT cause, count(*) FROM segmentd.audit WHERE action = 2 GROUP BY 1 ORDER BY 1")
    assert ends.split() == [f"3|{lowered['released']}", f"5|{len(covered(100_000)) + 1}"]
    killable.check()


def test_the_watch_goes_on_when_the_server_is_started_again(killable):
    """The server is killed and started on the same address while segctl waits."""
    killable.server.stop()
    address = steady_address()
    flags = ["--listen", address]
    killable.server = start_segmentd(killable.folder, *flags)
    killable.database = Database(killable.folder)
    rows = "user_id,segment_slug\n" + "".join(f"{BASE + n},\n" for n in range(5000))
    segctl(address, "import", "memberships", "-", "--create-users", input=rows)
    with killable.database.session("BEGIN; LOCK segmentd.memberships IN SHARE MODE"):
        segctl(address, "segment", "create", "BIG", "--outreach", 0.42)
        watch = subprocess.Popen(
            [binary("segctl"), "segment", "rollout", "BIG", "--watch", "-o", "jsonl"], stdout=subprocess.PIPE, text=True,
            env={**os.environ, "SEGCTL_ADDRESS": address},
        )
        try:
            assert json.loads(watch.stdout.readline())["state"] in ("PENDING", "RUNNING")
        finally:
            killable.kill()
    try:
        killable.server = start_segmentd(killable.folder, *flags)
        killable.database = Database(killable.folder)
        out, _ = watch.communicate(timeout=60)
    finally:
        watch.kill()
    assert watch.returncode == 0
    assert json.loads(out.splitlines()[-1])["state"] == "DONE"
