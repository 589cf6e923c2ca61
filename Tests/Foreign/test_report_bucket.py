"""Reports that go to a bucket: sent with libcurl's signing, fetched with curl by a link that is signed for the bucket itself."""

import gzip
import hashlib
import json
import os
import pathlib
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

import grpc
import pytest
from conftest import Database, binary, eventually
from google.protobuf import duration_pb2
from s3_gate import KEY_ID, SECRET, S3
from segmentation.v1 import audit_service_pb2 as audit
from test_reports import HEADER, PATIENCE, Reporting, fetch, refusal, status

BUCKET = audit.AUDIT_REPORT_DESTINATION_BUCKET


class BucketReporting(Reporting):
    def __init__(self, folder, s3, *flags):
        self.s3 = s3
        super().__init__(folder, *s3.flags(), "--log-level", "trace", *flags)

    def start(self):
        super().start(env=self.s3.environment())

    def has_file(self, report_id):
        return any(report_id in f.name for f in (self.folder / "reports").iterdir())


@pytest.fixture(scope="module")
def s3():
    s3 = S3()
    yield s3
    s3.stop()


@pytest.fixture(scope="module")
def reporting(s3):
    with tempfile.TemporaryDirectory(prefix="segmentd-test-", ignore_cleanup_errors=True) as folder:
        os.chmod(folder, 0o755)
        reporting = BucketReporting(pathlib.Path(folder), s3)
        reporting.fill()
        yield reporting
        assert reporting.stop() == 0
        # Whatever was logged at the level trace, and refused meanwhile.
        assert SECRET not in reporting.server.error_text() and SECRET not in "".join(reporting.server.lines)


def test_a_report_goes_to_the_bucket_and_its_link_works_with_curl(reporting, s3):
    done = reporting.segctl("audit", "report", "create", "--from", "2020-01-01", "--bucket", "-o", "json")
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert record["url"].startswith(s3.url + "/" + record["id"] + ".csv?") and SECRET not in record["url"]
    curl = subprocess.run(["curl", "-sfi", record["url"]], capture_output=True, text=True, timeout=PATIENCE)
    head, body = curl.stdout.replace("\r\n", "\n").split("\n\n", 1)
    assert body == reporting.export() and body.startswith(HEADER) and body.count("\n") == 301
    assert "text/csv; charset=utf-8" in head and "attachment" in head
    assert record["digest"] == hashlib.sha256(body.removeprefix(HEADER).encode()).hexdigest()
    assert (record["state"], record["count"], record["size_bytes"]) == ("READY", 300, len(body))
    # Nothing of it is left on the server's disk, and the link stays the same.
    eventually(lambda: not reporting.has_file(record["id"]))
    assert json.loads(reporting.segctl("audit", "report", "get", record["id"], "-o", "json").stdout) == record


def test_a_packed_report_of_json_lines(reporting, s3):
    report = reporting.made(
        reporting.create(user_ids=[7], format=audit.AUDIT_REPORT_FORMAT_JSON_LINES, compress=True, destination=BUCKET))
    packed = fetch(report.url)
    assert [json.loads(line)["user_id"] for line in gzip.decompress(packed).splitlines()] == [7, 7, 7]
    assert len(packed) == report.size_bytes and s3.head(f"{report.id}.jsonl.gz")["ContentType"] == "application/gzip"


def test_only_the_link_that_was_given_out_is_answered(reporting):
    url = reporting.made(reporting.create(destination=BUCKET)).url
    assert status(url) == 200
    forged = [url.split("?")[0], url[:-1] + ("0" if url[-1] != "0" else "1"), url.replace("X-Amz-Expires=", "X-Amz-Expires=1"),
              url.replace(".csv?", ".jsonl?")]
    assert [status(link) for link in forged] == [403] * len(forged)


def test_the_same_request_id_means_the_same_destination(reporting):
    first = reporting.create(request_id="where", destination=BUCKET)
    assert reporting.create(request_id="where", destination=BUCKET).id == first.id
    assert refusal(lambda: reporting.create(request_id="where")).code() == grpc.StatusCode.INVALID_ARGUMENT


def test_what_passes_is_tried_again(reporting, s3):
    s3.failures[:] = [(503, "SlowDown"), "drop", (500, "InternalError")]
    report = reporting.made(reporting.create(destination=BUCKET))
    assert report.state == audit.AUDIT_REPORT_STATE_READY and not s3.failures
    assert fetch(report.url).decode() == reporting.export()


@pytest.mark.parametrize("answer", [(403, "AccessDenied"), (301, "PermanentRedirect"), (400, "<script>")])
def test_a_refusal_is_told_and_leaves_nothing_behind(reporting, s3, answer):
    s3.failures[:] = [answer]
    before = len(s3.requests)
    report = reporting.made(reporting.create(destination=BUCKET))
    assert report.state == audit.AUDIT_REPORT_STATE_FAILED
    assert report.error == f"the bucket answered {answer[0]}" + (f" {answer[1]}" if answer[1].isalpha() else "")
    assert len(s3.requests) == before + 1
    eventually(lambda: not reporting.has_file(report.id))
    assert status(report.url) == 404


def test_a_report_that_has_expired_is_removed_from_the_bucket(reporting, s3):
    # The first attempt to remove it fails: it stays known, and is tried again.
    s3.deletions[:] = [(503, "SlowDown")]
    report = reporting.made(reporting.create(destination=BUCKET, ttl=duration_pb2.Duration(seconds=8)))
    assert status(report.url) == 200 and f"{report.id}.csv" in s3.objects()
    eventually(lambda: status(report.url) == 403)
    eventually(lambda: f"{report.id}.csv" not in s3.objects())
    database = Database(reporting.folder)
    eventually(lambda: database.query(f"SELECT count(*) FROM segmentd.reports WHERE id = '{report.id}'") == "0")
    assert not s3.deletions


def test_a_bucket_that_does_not_answer_holds_nobody_back_and_a_stop_comes_at_once(reporting, s3):
    s3.stalled.clear()
    s3.go_on.clear()
    s3.failures[:] = ["stall"]
    stuck, next_one = (reporting.create(destination=BUCKET) for _ in range(2))
    assert s3.stalled.wait(PATIENCE)
    started = time.monotonic()
    assert reporting.made(reporting.create()).state == audit.AUDIT_REPORT_STATE_READY
    assert {reporting.get(r.id).state for r in (stuck, next_one)} <= {audit.AUDIT_REPORT_STATE_RUNNING, audit.AUDIT_REPORT_STATE_PENDING}
    assert reporting.stop() == 0
    # It would go on for minutes.
    assert time.monotonic() - started < 100
    # What was on its way is made anew.
    s3.go_on.set()
    reporting.start()
    for report in (stuck, next_one):
        again = reporting.made(reporting.get(report.id))
        assert again.state == audit.AUDIT_REPORT_STATE_READY and again.url == report.url
        assert fetch(again.url).decode() == reporting.export()
        eventually(lambda: not reporting.has_file(report.id))


def test_killed_while_sending_it_is_sent_after_the_next_start(reporting, s3):
    s3.stalled.clear()
    s3.go_on.clear()
    s3.failures[:] = ["stall"]
    report = reporting.create(destination=BUCKET)
    assert s3.stalled.wait(PATIENCE)
    reporting.stop(signal.SIGKILL)
    s3.go_on.set()
    reporting.start()
    assert reporting.made(reporting.get(report.id)).state == audit.AUDIT_REPORT_STATE_READY
    assert fetch(report.url).decode() == reporting.export()
    eventually(lambda: not reporting.has_file(report.id))


def test_another_server_of_the_database_without_the_bucket_says_so(reporting, tmp_path):
    tmp_path.chmod(0o755)
    report = reporting.made(reporting.create(destination=BUCKET))
    database = Database(reporting.folder)
    url = f"host={database.socket} port={database.command[-4]} user=segmentd dbname=segmentd"
    other = Reporting(tmp_path, "--database", url)
    try:
        for call in (lambda: other.get(report.id), lambda: other.create(destination=BUCKET)):
            error = refusal(call)
            assert error.code() == grpc.StatusCode.FAILED_PRECONDITION and "bucket" in error.details()
    finally:
        assert other.stop() == 0


def test_nobody_there_is_told_in_the_report(reporting, s3, tmp_path):
    tmp_path.chmod(0o755)
    database = Database(reporting.folder)
    url = f"host={database.socket} port={database.command[-4]} user=segmentd dbname=segmentd"
    gone = BucketReporting(tmp_path, s3, "--database", url, "--report-bucket", "http://127.0.0.1:1/nobody")
    try:
        report = gone.made(gone.create(destination=BUCKET))
        assert report.state == audit.AUDIT_REPORT_STATE_FAILED and "cannot be reached" in report.error
        done = gone.segctl("audit", "report", "get", report.id)
        assert done.returncode == 70 and "cannot be reached" in done.stderr
    finally:
        assert gone.stop() == 0


@pytest.mark.parametrize(
    "flags, secret, line",
    [
        ({"bucket": "https://s3.example/a", "bucket-key-id": "ID"}, None, "report-bucket-secret: it is missing"),
        ({"bucket": "https://s3.example/a"}, SECRET, "report-bucket-key-id: it is missing"),
        ({"bucket-key-id": "ID"}, SECRET, "report-bucket: it is missing"),
        ({"bucket": "s3://reports", "bucket-key-id": "ID"}, SECRET, "'s3://reports'"),
        ({"bucket": "https://me:" + SECRET + "@s3.example", "bucket-key-id": "ID"}, None, "report-bucket"),
        ({"bucket": "https://s3.example/a", "bucket-key-id": "ID", "bucket-region": "eu central"}, SECRET, "report-bucket-region"),
        ({"bucket": "https://s3.example/a", "bucket-key-id": "ID"}, "two words", "report-bucket-secret: its value"),
    ],
)
def test_settings_that_mean_no_bucket_are_one_line(tmp_path, flags, secret, line):
    command = [binary("segmentd"), "serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]
    command += [part for name, value in flags.items() for part in (f"--report-{name}", value)]
    environment = {**os.environ, **({"SEGMENTD_REPORT_BUCKET_SECRET": secret} if secret else {})}
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, cwd=tmp_path, env=environment)
    assert done.returncode == 78 and done.stderr.count("\n") == 1 and line in done.stderr
    assert "two words" not in done.stderr and (KEY_ID not in done.stderr)
