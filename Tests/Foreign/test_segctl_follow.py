"""`segctl audit stream` that nobody has to watch: --follow through restarts, --resume after kill -9."""

import contextlib
import os
import pathlib
import signal
import subprocess
import tempfile

import pytest

from conftest import binary, eventually, start_segmentd, steady_address
from interop_wire import recording_proxy, stingy_proxy
from segmentation.v1 import audit_service_pb2 as audit_messages
from segmentation.v1 import audit_service_pb2_grpc as audit_rpc
from segmentation.v1 import segment_pb2

BAD_INPUT, USAGE, UNAVAILABLE, CANCELLED = 65, 64, 69, 130
HEADER = "user_id,segment_slug,action,stamp\n"
# Some batches of an export, far from all, even when it is compressed.
PART = 200_000


@pytest.fixture
def folder():
    with tempfile.TemporaryDirectory(prefix="segmentd-stream-", ignore_cleanup_errors=True) as name:
        os.chmod(name, 0o755)
        yield pathlib.Path(name)


@contextlib.contextmanager
def streaming(address, *arguments, **options):
    command = [binary("segctl"), "audit", "stream", "--address", address, *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()


def segctl(address, *arguments):
    done = subprocess.run(
        [binary("segctl"), *map(str, arguments), "--address", address], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def add(address, user, slug="FOLLOWED"):
    segctl(address, "user", "update", user, "--assign", slug, "--create-user")


def test_following_goes_on_through_a_restart_of_the_server_and_ends_with_ctrl_c(folder):
    server = start_segmentd(folder, "--listen", steady_address())
    segctl(server.address, "segment", "create", "FOLLOWED")
    add(server.address, 1)
    with streaming(server.address, "--follow") as process:
        assert process.stdout.readline() == HEADER
        assert process.stdout.readline().startswith("1,FOLLOWED,ASSIGN,")
        add(server.address, 2)
        assert process.stdout.readline().startswith("2,FOLLOWED,ASSIGN,")
        for user, sig in [(3, signal.SIGKILL), (4, signal.SIGTERM)]:
            server.stop(sig)
            server = start_segmentd(folder, "--listen", server.address)
            add(server.address, user)
            assert process.stdout.readline().startswith(f"{user},FOLLOWED,ASSIGN,")
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == CANCELLED
        assert process.stdout.read() == ""
        # A line for each time that it went, and that it was back.
        told = process.stderr.read().splitlines()
        assert len(told) >= 4 and len(told) % 2 == 0, told
        assert all(line.startswith("segctl: lost the server (") for line in told[::2]), told
        assert all(line.startswith("segctl: the server is back after ") for line in told[1::2]), told
    assert server.stop() == 0


def test_following_from_now_shows_nothing_of_before(server):
    segctl(server.address, "segment", "create", "FROM_NOW")
    add(server.address, 72_000_001, "FROM_NOW")
    with streaming(server.address, "--follow", "--from", "now", "--segment", "FROM_NOW") as process:
        assert process.stdout.readline() == HEADER
        # Whether it has begun is not to be seen: one of these comes after that.
        users = iter(range(72_000_002, 72_100_000))
        os.set_blocking(process.stdout.fileno(), False)
        def line():
            add(server.address, next(users), "FROM_NOW")
            return process.stdout.readline()
        assert not eventually(line, "nothing comes").startswith("72000001,")


def test_following_a_server_that_was_never_there_is_one_line(folder):
    with streaming("127.0.0.1:1", "--follow") as process:
        assert process.wait(60) == UNAVAILABLE
        assert process.stderr.read().count("cannot reach") == 1


@pytest.fixture(scope="module")
def exported(server):
    """Some ten thousand records in a segment of their own."""
    text = "user_id,segment_slug\n" + "".join(f"{u},RESUMED\n" for u in range(73_000_001, 73_060_001))
    subprocess.run(
        [binary("segctl"), "--address", server.address, "import", "memberships", "-", "--create-users",
         "--create-segments"], input=text, text=True, check=True, capture_output=True,
    )


def checkpoint(path):
    """The length that the checkpoint beside a file says."""
    try:
        lines = path.with_name(path.name + ".checkpoint").read_text().splitlines()
    except FileNotFoundError:
        return -1
    return next(int(line.split()[1]) for line in lines if line.startswith("length "))


@pytest.mark.parametrize("limit", [1, 8192, 16_484])
def test_a_limit_is_kept_however_the_records_are_read_and_sent(channel, exported, limit):
    request = audit_messages.StreamAuditRequest(segments=[segment_pb2.SegmentSelector(slug="RESUMED")], limit=limit)
    events = list(audit_rpc.AuditServiceStub(channel).StreamAudit(request))
    assert sum(len(event.batch.records) for event in events) == events[-1].end.count == limit


@pytest.mark.parametrize("format", ["csv", "jsonl"])
def test_an_export_that_is_killed_goes_on_and_ends_byte_for_byte_the_same(server, exported, tmp_path, format):
    whole, file = tmp_path / "whole", tmp_path / "resumed"
    partial = tmp_path / "resumed.partial"
    common = ["--segment", "RESUMED", "-o", format]
    segctl(server.address, "audit", "stream", *common, "--output", whole)
    with stingy_proxy(server.address, PART) as proxy:
        # Twice where it cannot have come to its end, and once wherever it happens to be.
        for address in proxy, proxy, server.address:
            before = checkpoint(file)
            with streaming(address, *common, "--output", file, "--resume") as process:
                eventually(lambda: checkpoint(file) > max(before, 0) or process.poll() is not None, "no checkpoint")
                process.send_signal(signal.SIGKILL)
                process.wait()
            if file.exists():
                assert address == server.address
                continue
            assert 0 < checkpoint(file) <= partial.stat().st_size
            assert address == server.address or partial.stat().st_size < whole.stat().st_size
            with partial.open("ab") as tail:
                tail.write(b"half a li")
    segctl(server.address, "audit", "stream", *common, "--output", file, "--resume")
    assert file.read_bytes() == whole.read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["resumed", "resumed.sha256", "whole", "whole.sha256"]


def test_an_export_that_is_killed_when_the_file_has_its_name_begins_anew(server, exported, tmp_path):
    whole, file = tmp_path / "whole", tmp_path / "killed"
    segctl(server.address, "audit", "stream", "--segment", "RESUMED", "--output", whole)
    arguments = ["--segment", "RESUMED", "--output", file, "--resume"]
    with stingy_proxy(server.address, PART) as proxy, streaming(proxy, *arguments):
        eventually(lambda: checkpoint(file) > 0, "no checkpoint")
    # As if it had come to its end, but for the checkpoint.
    (tmp_path / "killed.partial").rename(file)
    segctl(server.address, "audit", "stream", *arguments)
    assert file.read_bytes() == whole.read_bytes() and checkpoint(file) == -1


def flags(queue):
    found = []
    while not queue.empty():
        found.append(queue.get())
    return found


@pytest.mark.parametrize("is_asked_for", [True, False])
def test_compress_changes_what_goes_over_the_wire_and_nothing_else(server, exported, tmp_path, is_asked_for):
    whole, file = tmp_path / "whole", tmp_path / "file"
    segctl(server.address, "audit", "stream", "--segment", "RESUMED", "--output", whole)
    with recording_proxy(server.address) as (proxy, requests, responses):
        segctl(proxy, "audit", "stream", "--segment", "RESUMED", "--output", file, *["--compress"] * is_asked_for)
        assert flags(requests) == [is_asked_for]
        sent = flags(responses)
    # The end is a few bytes, which would not become fewer.
    assert len(sent) > 10 and set(sent[:-1]) == {is_asked_for}
    assert file.read_bytes() == whole.read_bytes()


def test_an_export_goes_on_with_compression_where_one_without_ended(server, exported, tmp_path):
    whole, file = tmp_path / "whole", tmp_path / "resumed"
    segctl(server.address, "audit", "stream", "--segment", "RESUMED", "--output", whole)
    with stingy_proxy(server.address, PART) as proxy:
        for more in [], ["--compress"]:
            before = checkpoint(file)
            with streaming(proxy, "--segment", "RESUMED", "--output", file, "--resume", *more) as process:
                eventually(lambda: checkpoint(file) > max(before, 0), "no checkpoint")
                process.send_signal(signal.SIGKILL)
                process.wait()
            assert not file.exists()
    segctl(server.address, "audit", "stream", "--segment", "RESUMED", "--output", file, "--resume", "--compress")
    assert file.read_bytes() == whole.read_bytes()


def test_a_checkpoint_of_something_else_is_refused(server, exported, tmp_path):
    file = tmp_path / "file"
    arguments = ["audit", "stream", "--address", server.address, "--output", str(file), "--resume"]
    with stingy_proxy(server.address, PART) as proxy, streaming(proxy, "--segment", "RESUMED", "--output", file, "--resume"):
        eventually(lambda: checkpoint(file) > 0, "no checkpoint")
    assert not file.exists()
    run = lambda *more: subprocess.run([binary("segctl"), *arguments, *more], capture_output=True, text=True, timeout=60)
    other = run("--user", "1")
    assert other.returncode == BAD_INPUT and "another export" in other.stderr
    partial = tmp_path / "file.partial"
    text = bytearray(partial.read_bytes())
    text[100] ^= 1
    partial.write_bytes(text)
    spoilt = run("--segment", "RESUMED")
    assert spoilt.returncode == BAD_INPUT and "is not what" in spoilt.stderr
    assert run("-o", "table").returncode == USAGE
    file.write_text("mine\n")
    (tmp_path / "file.checkpoint").unlink()
    mine = run("--follow")
    assert mine.returncode == BAD_INPUT and file.read_text() == "mine\n"


def test_a_file_that_follows_goes_on_after_kill_9(server, tmp_path):
    file = tmp_path / "followed.csv"
    segctl(server.address, "segment", "create", "FOLLOWED_FILE")
    expected = []
    for user, sig in [(74_000_001, signal.SIGKILL), (74_000_002, signal.SIGINT), (74_000_003, signal.SIGKILL)]:
        arguments = ["--follow", "--segment", "FOLLOWED_FILE", "--output", file, "--resume"]
        with streaming(server.address, *arguments) as process:
            add(server.address, user, "FOLLOWED_FILE")
            expected.append(user)
            eventually(lambda: str(user) in (file.read_text() if file.exists() else ""), "it does not arrive")
            process.send_signal(sig)
            process.wait(60)
        lines = file.read_text().splitlines()
        assert lines[0] + "\n" == HEADER and [int(line.split(",")[0]) for line in lines[1:]] == expected
    whole = segctl(server.address, "audit", "stream", "--segment", "FOLLOWED_FILE")
    assert file.read_text() == whole
