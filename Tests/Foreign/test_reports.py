"""Reports of the audit log: ordered over gRPC or with segctl, fetched with curl from the admin port."""

import contextlib
import datetime
import gzip
import hashlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

import grpc
import pytest
from conftest import Database, binary, eventually, start_segmentd, steady_address
from google.protobuf import duration_pb2, timestamp_pb2
from segmentation.v1 import audit_service_pb2 as audit
from segmentation.v1 import audit_service_pb2_grpc as audit_rpc
from segmentation.v1 import segment_pb2

PATIENCE = 60
HEADER = "user_id,segment_slug,action,stamp\n"
NOW = datetime.datetime.now(datetime.timezone.utc)
MONTH = {"year": NOW.year, "month": NOW.month}


@pytest.fixture(scope="module")
def folder():
    with tempfile.TemporaryDirectory(prefix="segmentd-test-", ignore_cleanup_errors=True) as folder:
        os.chmod(folder, 0o755)
        yield pathlib.Path(folder)


class Reporting:
    """A server that a test may restart."""

    def __init__(self, folder, *flags):
        self.folder, self.flags = folder, flags
        self.start()

    def start(self, env=None):
        self.server = start_segmentd(self.folder, *self.flags, wrapper=False, env=env)
        self.channel = grpc.insecure_channel(self.server.address)
        self.stub = audit_rpc.AuditServiceStub(self.channel)

    def fill(self):
        """Puts 300 memberships into its log."""
        lines = "".join(f"{1 + n % 100},SEGMENT_{n // 100}\n" for n in range(300))
        done = self.segctl(
            "import", "memberships", "-", "--create-users", "--create-segments", input="user_id,segment_slug\n" + lines)
        assert done.returncode == 0, done.stderr

    def stop(self, sig=signal.SIGTERM):
        self.channel.close()
        return self.server.stop(sig)

    def segctl(self, *arguments, input=None):
        return subprocess.run(
            [binary("segctl"), *arguments, "--address", self.server.address], input=input, capture_output=True,
            text=True, timeout=PATIENCE)

    def create(self, **fields):
        if "range" not in fields:
            fields.setdefault("month", MONTH)
        return self.stub.CreateAuditReport(audit.CreateAuditReportRequest(**fields), timeout=PATIENCE).report

    def get(self, id):
        return self.stub.GetAuditReport(audit.GetAuditReportRequest(report_id=id), timeout=PATIENCE).report

    def made(self, report):
        limit = time.monotonic() + PATIENCE
        while report.state in (audit.AUDIT_REPORT_STATE_PENDING, audit.AUDIT_REPORT_STATE_RUNNING):
            assert time.monotonic() < limit
            time.sleep(0.01)
            report = self.get(report.id)
        return report

    def export(self, *filters):
        done = self.segctl("audit", "stream", "-o", "csv", *filters)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def reporting(folder):
    # Links are to be good after a restart.
    reporting = Reporting(folder, "--admin-listen", steady_address())
    reporting.fill()
    yield reporting
    assert reporting.stop() == 0


def fetch(url):
    with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
        return answer.read()


def status(url, method="GET"):
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=PATIENCE) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def arrives(url, body):
    """Whether the link is answered with that; a server that was just started, or makes it anew, says later."""
    try:
        return fetch(url) == body
    except urllib.error.HTTPError as error:
        assert error.code == 503
        return False


def refusal(call):
    with pytest.raises(grpc.RpcError) as caught:
        call()
    return caught.value


def test_the_month_report_by_a_link_with_curl(reporting):
    done = reporting.segctl("audit", "report", "create", "--month", f"{NOW:%Y-%m}", "--print-url")
    assert done.returncode == 0, done.stderr
    curl = subprocess.run(["curl", "-sf", done.stdout.strip()], capture_output=True, text=True, timeout=PATIENCE)
    assert curl.returncode == 0
    assert curl.stdout == reporting.export() and curl.stdout.startswith(HEADER) and curl.stdout.count("\n") == 301


def test_a_report_tells_its_count_size_and_digest(reporting):
    report = reporting.made(reporting.create(user_ids=[7, 8]))
    body = fetch(report.url)
    lines = body.decode().removeprefix(HEADER)
    assert report.state == audit.AUDIT_REPORT_STATE_READY and not report.error
    assert (report.count, report.size_bytes) == (6, len(body))
    assert report.digest == hashlib.sha256(lines.encode()).digest()
    assert body.decode() == reporting.export("--user", "7", "--user", "8")
    assert 23 * 3600 < report.expire_time.seconds - report.create_time.seconds <= 24 * 3600


def test_segments_ranges_and_json_lines_packed(reporting):
    selector = segment_pb2.SegmentSelector(slug="SEGMENT_1")
    # The dates of the import: one half-open range holds all of it, the one before nothing.
    start = timestamp_pb2.Timestamp(seconds=int(NOW.timestamp()) - 3600)
    report = reporting.made(
        reporting.create(
            range={"start_time": start}, segments=[selector], format=audit.AUDIT_REPORT_FORMAT_JSON_LINES, compress=True))
    body = fetch(report.url)
    records = [json.loads(line) for line in gzip.decompress(body).decode().splitlines()]
    assert len(records) == report.count == 100 and len(body) == report.size_bytes
    assert {record["segment_slug"] for record in records} == {"SEGMENT_1"}
    assert {record["cause"] for record in records} == {"IMPORT"}
    exported = reporting.segctl("audit", "stream", "-o", "jsonl", "--segment", "SEGMENT_1").stdout
    assert gzip.decompress(body).decode() == exported
    empty = reporting.made(reporting.create(range={"end_time": start}))
    assert empty.count == 0 and fetch(empty.url).decode() == HEADER


def test_a_month_is_that_of_the_calendar(reporting):
    for month, count in ((MONTH, 300), ({"year": 2024, "month": 2}, 0), ({"year": 1999, "month": 12}, 0)):
        assert reporting.made(reporting.create(month=month)).count == count


def test_the_same_request_id_makes_no_second_report(reporting):
    first = reporting.create(request_id="monthly")
    assert reporting.create(request_id="monthly").id == first.id
    assert reporting.create(request_id="another").id != first.id
    assert refusal(lambda: reporting.create(request_id="monthly", compress=True)).code() == grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize(
    "fields, field",
    [
        ({"range": {"start_time": {"seconds": 10}, "end_time": {"seconds": 10}}}, "range.end_time"),
        ({"month": {"year": 2024, "month": 13}}, "month.month"),
        ({"month": {"year": 0, "month": 1}}, "month.year"),
        ({"month": MONTH, "user_ids": [0]}, "user_ids[0]"),
        ({"month": MONTH, "segments": [{}]}, "segments[0]"),
        ({"month": MONTH, "format": 9}, "format"),
        ({"month": MONTH, "destination": 9}, "destination"),
        ({"month": MONTH, "ttl": duration_pb2.Duration(seconds=8 * 86400)}, "ttl"),
        ({"month": MONTH, "ttl": duration_pb2.Duration()}, "ttl"),
    ],
)
def test_an_order_that_means_nothing_is_refused(reporting, fields, field):
    error = refusal(lambda: reporting.create(**fields))
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT and field in error.details()


def test_a_report_without_a_period_is_refused_and_an_unknown_one_not_found(reporting):
    call = lambda: reporting.stub.CreateAuditReport(audit.CreateAuditReportRequest(), timeout=PATIENCE)
    assert refusal(call).code() == grpc.StatusCode.INVALID_ARGUMENT
    assert refusal(lambda: reporting.get("0" * 32)).code() == grpc.StatusCode.NOT_FOUND
    assert reporting.segctl("audit", "report", "get", "0" * 32).returncode == 4


def test_only_the_link_that_was_given_out_is_answered(reporting):
    report = reporting.made(reporting.create())
    url = report.url
    base, query = url.split("?")
    expires, signature = (part.split("=")[1] for part in query.split("&"))
    assert status(url) == status(url, "HEAD") == 200
    flipped = ("0" if signature[0] != "0" else "1") + signature[1:]
    forged = [
        base, f"{base}?expires={expires}", f"{base}?signature={signature}",
        f"{base}?expires={expires}&signature={flipped}", f"{base}?expires={int(expires) + 1}&signature={signature}",
        f"{base}?expires={expires}&signature={signature[:-2]}", f"{base}?expires={expires}&signature=",
        base.replace(report.id, "f" * 32) + "?" + query, base.replace(".csv", ".jsonl") + "?" + query,
        base.replace(report.id + ".csv", "holder") + "?" + query,
        base.replace(report.id + ".csv", "../../postgres/data/PG_VERSION") + "?" + query,
        base.replace(report.id + ".csv", "%2e%2e%2fholder") + "?" + query,
    ]
    assert [status(link) for link in forged] == [403] * len(forged)
    assert status(url, "POST") in (404, 405)


def test_a_link_ends_and_the_file_with_it(reporting):
    report = reporting.made(reporting.create(ttl=duration_pb2.Duration(seconds=6)))
    file = next((reporting.folder / "reports").glob(f"{report.id}*"))
    assert status(report.url) == 200
    eventually(lambda: status(report.url) == 410)
    # The next order cleans up as well.
    reporting.made(reporting.create())
    eventually(lambda: not file.exists(), seconds=5)
    assert refusal(lambda: reporting.get(report.id)).code() == grpc.StatusCode.NOT_FOUND


def test_reports_and_links_survive_a_restart_and_what_was_begun_is_made(reporting):
    ready = reporting.made(reporting.create())
    lost = reporting.made(reporting.create())
    body = fetch(ready.url)
    pending = reporting.create()
    database = Database(reporting.folder)
    reporting.made(pending)
    # As if the process had died in the middle of it.
    database.query(f"UPDATE segmentd.reports SET state = 2 WHERE id = '{pending.id}'")
    (reporting.folder / "reports" / f"{pending.id}.csv").rename(reporting.folder / "reports" / f"{pending.id}.csv.partial")
    # As if the machine had died before the file was on its disk.
    os.truncate(reporting.folder / "reports" / f"{lost.id}.csv", 10)
    reporting.stop(signal.SIGKILL)
    reporting.start()
    assert reporting.get(ready.id).url == ready.url
    for report in (ready, pending, lost):
        eventually(lambda: arrives(report.url, body))
        assert reporting.made(reporting.get(report.id)).state == audit.AUDIT_REPORT_STATE_READY
    assert not list((reporting.folder / "reports").glob("*.partial"))


def test_a_link_that_is_too_early_says_when_to_try_again(reporting):
    report = reporting.made(reporting.create())
    file = reporting.folder / "reports" / f"{report.id}.csv"
    file.rename(file.with_suffix(".away"))
    with pytest.raises(urllib.error.HTTPError) as caught:
        fetch(report.url)
    assert caught.value.code == 503 and caught.value.headers["Retry-After"] == "1"
    file.with_suffix(".away").rename(file)
    assert status(report.url) == 200


def test_the_directory_is_bounded_and_used_by_one(reporting, tmp_path):
    tmp_path.chmod(0o755)
    database = Database(reporting.folder)
    url = f"host={database.socket} port={database.command[-4]} user=segmentd dbname=segmentd"
    flags = ("--database", url, "--report-space", "8KiB", "--report-url", "https://reports.example/x/")
    small = Reporting(tmp_path, *flags, "--report-dir", str(tmp_path / "kept" / "here"))
    try:
        whole = small.made(small.create(user_ids=[1]))
        assert whole.state == audit.AUDIT_REPORT_STATE_READY
        assert whole.url.startswith("https://reports.example/x/reports/")
        # Any instance answers its status.
        assert reporting.get(whole.id).url == whole.url
        failed = small.made(small.create())
        assert failed.state == audit.AUDIT_REPORT_STATE_FAILED and "no room" in failed.error
        done = small.segctl("audit", "report", "create", "--from", "2020-01-01")
        assert done.returncode == 70 and "no room" in done.stderr
        # Failed ones leave nothing behind, and what fits still does.
        assert small.made(small.create(user_ids=[2])).state == audit.AUDIT_REPORT_STATE_READY
        assert sum(f.stat().st_size for f in (tmp_path / "kept" / "here").iterdir()) < 8192
        other = Reporting(tmp_path, *flags, "--report-dir", str(tmp_path / "kept" / "here"))
        try:
            error = refusal(lambda: other.create())
            assert error.code() == grpc.StatusCode.FAILED_PRECONDITION
        finally:
            other.stop()
    finally:
        assert small.stop() == 0


def test_a_long_report_is_streamed_and_a_slow_reader_gets_it_whole(reporting):
    database = Database(reporting.folder)
    report = reporting.made(reporting.create())
    file = reporting.folder / "reports" / f"{report.id}.csv"
    size = 96 << 20
    with open(file, "ab") as stream:
        stream.truncate(size)
    rss = lambda: int(pathlib.Path(f"/proc/{reporting.server.process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    before = rss()
    where = urllib.parse.urlsplit(report.url)
    host, port = where.hostname, where.port
    with urllib.request.urlopen(report.url, timeout=PATIENCE) as answer:
        assert int(answer.headers["Content-Length"]) == size
        read = len(answer.read(1 << 20))
        # Until a request that began later, and never comes to its end, has been cut off: nothing else may take that long.
        with socket.create_connection((host, port), timeout=1) as endless, contextlib.suppress(ConnectionError):
            endless.sendall(b"GET /")
            while True:
                try:
                    assert endless.recv(1) == b""
                    break
                except TimeoutError:
                    endless.sendall(b"x")
        assert rss() - before < 16 << 20
        while part := answer.read(1 << 20):
            read += len(part)
    assert read == size
    del database


def test_segctl_prints_a_report(reporting):
    done = reporting.segctl(
        "audit", "report", "create", "--from", "2020-01-01", "--user", "3", "--segment", "SEGMENT_0", "--contents",
        "jsonl", "--gzip", "--ttl", "1h", "-o", "json")
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert record["state"] == "READY" and record["count"] == 1 and ".jsonl.gz?" in record["url"]
    again = json.loads(reporting.segctl("audit", "report", "get", record["id"], "-o", "json").stdout)
    assert again == record
    assert reporting.segctl("audit", "report", "create").returncode == 64
    assert reporting.segctl("audit", "report", "create", "--month", "2026-13").returncode == 64
    assert reporting.segctl("audit", "report", "create", "--month", "2026-05", "--to", "2026-06-01").returncode == 64
