"""segctl against a server in Python that says what a good segmentd never says: grpcio on the other side of the wire."""

import concurrent.futures
import csv
import hashlib
import signal
import subprocess

import grpc
import pytest

from conftest import binary
from segmentation.v1 import audit_service_pb2 as audit_service
from segmentation.v1 import audit_service_pb2_grpc, audit_pb2, membership_service_pb2_grpc
from segmentation.v1 import membership_service_pb2 as membership_service

MISMATCH, ALREADY_EXISTS, UNAVAILABLE, PARTIAL = 3, 5, 69, 2


class Audit(audit_service_pb2_grpc.AuditServiceServicer):
    """Streams `batches` batches of 1,000 records; `spoil` changes the last message."""

    def __init__(self):
        self.batches = 3
        self.spoil = lambda end: end

    def StreamAudit(self, request, context):
        digest = hashlib.sha256()
        for batch in range(self.batches):
            users = range(batch * 1000 + 1, batch * 1000 + 1001)
            records = [
                audit_pb2.AuditRecord(
                    sequence=user, user_id=user, segment_slug="A_SEGMENT_WITH_A_NAME", action="AUDIT_ACTION_ASSIGN",
                    effective_time={"seconds": 1_777_636_800, "nanos": user * 1000}, actor="peer",
                )
                for user in users
            ]
            for user in users:
                digest.update(f"{user},A_SEGMENT_WITH_A_NAME,ASSIGN,2026-05-01T12:00:00.{user:06}Z\n".encode())
            yield audit_service.StreamAuditResponse(batch={"records": records})
        end = audit_service.AuditEnd(count=self.batches * 1000, digest=digest.digest())
        end = self.spoil(end)
        if isinstance(end, grpc.StatusCode):
            context.abort(end, "the log is gone")
        if end is not None:
            yield audit_service.StreamAuditResponse(end=end)


class Memberships(membership_service_pb2_grpc.MembershipServiceServicer):
    """Counts rows, rejects the user 13, and ends the `fail_after`th call with `failure` in its middle."""

    def __init__(self):
        self.calls = self.rows = 0
        self.options = []
        self.fail_after = None
        self.failure = grpc.StatusCode.UNAVAILABLE

    def ImportMemberships(self, requests, context):
        self.calls += 1
        response = membership_service.ImportMembershipsResponse()
        for number, request in enumerate(requests):
            assert request.HasField("options") == (number == 0)
            if number == 0:
                self.options.append(request.options)
            if self.calls == self.fail_after:
                context.abort(self.failure, "out of order")
            for row in request.rows:
                if row.user_id == 13:
                    response.rejected += 1
                    response.rejections.add(row=response.rows, reason="IMPORT_REJECTION_REASON_INVALID_USER", message="13")
                else:
                    response.assigned += 1
                response.rows += 1
        self.rows += response.rows
        return response


@pytest.fixture
def peer():
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(4))
    server.audit, server.memberships = Audit(), Memberships()
    audit_service_pb2_grpc.add_AuditServiceServicer_to_server(server.audit, server)
    membership_service_pb2_grpc.add_MembershipServiceServicer_to_server(server.memberships, server)
    server.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    yield server
    server.stop(0).wait()


def segctl(peer, *arguments, input=None):
    return subprocess.run(
        [binary("segctl"), *map(str, arguments), "--address", peer.address], input=input, capture_output=True, text=True,
        timeout=120,
    )


def wrong_count(end):
    end.count += 1
    return end


def wrong_digest(end):
    end.digest = bytes(32)
    return end


@pytest.mark.parametrize("format", ["csv", "jsonl", "table"])
def test_a_good_stream_is_checked_in_every_format(peer, format):
    done = segctl(peer, "audit", "stream", "-o", format)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 3000 + (format != "jsonl")


@pytest.mark.parametrize("spoil", [wrong_count, wrong_digest, lambda end: None])
def test_a_stream_that_is_not_what_was_sent_fails_loudly(peer, spoil, tmp_path):
    peer.audit.spoil = spoil
    done = segctl(peer, "audit", "stream", "--output", tmp_path / "audit.csv")
    assert done.returncode == MISMATCH
    assert done.stderr.startswith("segctl: ")
    assert not (tmp_path / "audit.csv").exists()


def test_a_stream_that_breaks_keeps_what_came_under_another_name(peer, tmp_path):
    peer.audit.spoil = lambda end: grpc.StatusCode.UNAVAILABLE
    done = segctl(peer, "audit", "stream", "--output", tmp_path / "audit.csv")
    assert done.returncode == UNAVAILABLE
    assert "segctl: UNAVAILABLE: the log is gone\n" in done.stderr and "after 3,000 records" in done.stderr
    assert not (tmp_path / "audit.csv").exists()
    lines = (tmp_path / "audit.csv.partial").read_text().splitlines()
    assert len(lines) == 3001 and lines[-1] == "3000,A_SEGMENT_WITH_A_NAME,ASSIGN,2026-05-01T12:00:00.003000Z"


def test_memory_stays_flat_however_long_the_stream_and_slow_the_reader(peer):
    peer.audit.batches = 400
    process = subprocess.Popen(
        [binary("segctl"), "audit", "stream", "-o", "jsonl", "--address", peer.address], stdout=subprocess.PIPE
    )
    lines, peak = 0, 0
    while chunk := process.stdout.read(1 << 16):
        lines += chunk.count(b"\n")
        peak = max(peak, peak_kib(process.pid))
    assert process.wait(60) == 0
    assert lines == 400_000
    # The whole stream is some 80 MiB; what may wait on its way is a few.
    assert 0 < peak < 64 << 10


def peak_kib(pid):
    """The most memory that a process has had, 0 once it has ended."""
    with open(f"/proc/{pid}/status") as status:
        return next((int(line.split()[1]) for line in status if line.startswith("VmHWM:")), 0)


def test_a_large_import_is_several_calls_with_the_same_options(peer, tmp_path):
    text = "user_id,segment_slug\n" + "".join(f"{13 if n % 50_000 == 7 else n + 100},A\n" for n in range(250_000))
    path = tmp_path / "m.csv"
    path.write_text(text)
    done = segctl(peer, "import", "memberships", path, "--create-users", "--if-present", "replace", "--request-id", "r")
    assert done.returncode == PARTIAL, done.stderr
    assert peer.memberships.rows == 250_000 and peer.memberships.calls >= 3
    assert len(peer.memberships.options) == peer.memberships.calls
    for options in peer.memberships.options:
        assert options.create_users and not options.create_segments
        assert (options.present_policy, options.request_id, options.max_rejections) == (3, "r", 100_000)
    with open(f"{path}.rejects", newline="") as file:
        rejects = list(csv.reader(file))[1:]
    assert [(int(r[0]), r[1], r[3]) for r in rejects] == [(n * 50_000 + 9, "INVALID_USER", "13,A") for n in range(5)]


def test_an_import_that_breaks_says_how_far_it_came(peer, tmp_path):
    peer.memberships.fail_after = 2
    path = tmp_path / "m.csv"
    path.write_text("user_id,segment_slug\n" + "".join(f"{n + 100},A\n" for n in range(250_000)))
    done = segctl(peer, "import", "memberships", path)
    assert done.returncode == UNAVAILABLE
    assert "segctl: UNAVAILABLE: out of order\n" in done.stderr
    assert f"lines up to {peer.memberships.rows + 1} are imported" in done.stderr


def test_an_error_has_its_own_exit_code(peer):
    peer.memberships.fail_after, peer.memberships.failure = 1, grpc.StatusCode.ALREADY_EXISTS
    done = segctl(peer, "import", "memberships", "-", input="user_id,segment_slug\n1,A\n")
    assert done.returncode == ALREADY_EXISTS


def test_what_the_server_does_not_know_is_told_of(peer):
    done = segctl(peer, "segment", "list")
    assert done.returncode == 70 and done.stderr.startswith("segctl: UNIMPLEMENTED: ")


def test_sigterm_ends_a_stream_with_its_own_code(peer):
    peer.audit.batches = 100_000
    process = subprocess.Popen(
        [binary("segctl"), "audit", "stream", "--address", peer.address], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdout.read(1) == b"u"
    process.send_signal(signal.SIGTERM)
    process.stdout.close()
    assert process.wait(60) == 143
