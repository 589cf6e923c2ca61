"""Named consumers of the audit log, and what retention leaves of it."""

import itertools
import json
import os
import pathlib
import subprocess
import tempfile

import grpc
import pytest

from conftest import Database, binary, start_segmentd
from segmentation.v1 import audit_service_pb2 as audit_messages
from segmentation.v1 import audit_service_pb2_grpc as audit_rpc
from segmentation.v1 import segment_pb2
from test_follow import assign, eventually, follow, started
from test_service import refusal, violations

ids = itertools.count(77_000_001)
NOT_FOUND, INVALID = 4, 6


@pytest.fixture(scope="module")
def slug(run_once):
    run_once("segment", "create", "CONSUMED")
    return "CONSUMED"


@pytest.fixture(scope="module")
def run_once(server):
    def run(*arguments, address=server.address, code=0):
        done = subprocess.run(
            [binary("segctl"), "--address", address, *map(str, arguments)], capture_output=True, text=True, timeout=60)
        assert done.returncode == code, f"{arguments}: {done.returncode}\n{done.stderr}"
        return done.stdout

    return run


def consumer(audit, name):
    answer = audit.ListAuditConsumers(audit_messages.ListAuditConsumersRequest(page_size=1000))
    return next((found for found in answer.consumers if found.name == name), None)


def users(events):
    return [record.user_id for event in events for record in event.batch.records]


def stream(audit, **request):
    return list(audit.StreamAudit(audit_messages.StreamAuditRequest(**request), timeout=30))


def test_a_consumer_goes_on_behind_what_it_acknowledged(audit, members, slug):
    first, second, third = next(ids), next(ids), next(ids)
    tokens = [assign(members, user, slug) for user in (first, second)]
    selector = [segment_pb2.SegmentSelector(slug=slug)]
    assert users(stream(audit, consumer="pipeline", segments=selector))[-2:] == [first, second]
    acknowledge = lambda token: audit.AcknowledgeAudit(
        audit_messages.AcknowledgeAuditRequest(consumer="pipeline", token=token)).consumer
    assert acknowledge(tokens[0]).lag_records == 1
    assert users(stream(audit, consumer="pipeline")) == [second]
    # The start that is asked for wins.
    assert users(stream(audit, consumer="pipeline", start_token=tokens[1])) == []
    assert acknowledge(tokens[1]).lag_records == 0
    assert acknowledge(tokens[0]).token == tokens[1]
    assign(members, third, slug)
    found = consumer(audit, "pipeline")
    assert found.lag_records == 1 and found.lag_time.ToNanoseconds() > 0
    assert users(stream(audit, consumer="pipeline")) == [third]


def test_open_streams_are_counted(audit, members, slug):
    streams = [follow(audit, consumer="watcher", start_position=audit_messages.AUDIT_POSITION_NOW) for _ in range(2)]
    for open_stream in streams:
        started(open_stream)
    assert consumer(audit, "watcher").open_streams == 2
    streams[0].cancel()
    eventually(lambda: consumer(audit, "watcher").open_streams == 1)
    streams[1].cancel()
    eventually(lambda: consumer(audit, "watcher").open_streams == 0)


@pytest.mark.parametrize(
    "name, token, field", [("", "x", "consumer"), ("a\nb", "x", "consumer"), ("x" * 129, "x", "consumer"), ("ok", "x", "token")])
def test_what_is_no_name_or_no_token_is_refused(audit, name, token, field):
    error = refusal(lambda: audit.AcknowledgeAudit(audit_messages.AcknowledgeAuditRequest(consumer=name, token=token)))
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT and violations(error) == [field]


def test_segctl_reads_under_a_name_lists_it_and_forgets_it(audit, members, slug, run_once):
    before, after = next(ids), next(ids)
    assign(members, before, slug)
    whole = run_once("audit", "stream", "--consumer", "shell", "--segment", slug)
    assert f"{before},{slug}" in whole
    assign(members, after, slug)
    again = run_once("audit", "stream", "--consumer", "shell", "--segment", slug).splitlines()
    assert [line.split(",")[0] for line in again[1:]] == [str(after)]
    found = {row["name"]: row for row in json.loads(run_once("audit", "consumers", "-o", "json"))}["shell"]
    assert found["lag_records"] == 0 and found["token"]
    assert "NAME" in run_once("audit", "consumers")
    run_once("audit", "consumers", "delete", "shell")
    run_once("audit", "consumers", "delete", "shell", code=NOT_FOUND)
    run_once("audit", "consumers", "delete", "shell", "--allow-missing")
    assert consumer(audit, "shell") is None


def test_a_follower_of_segctl_acknowledges_while_it_follows(audit, members, slug, server):
    user = next(ids)
    command = [binary("segctl"), "--address", server.address, "audit", "stream", "--follow", "--consumer", "live"]
    process = subprocess.Popen([*command, "--segment", slug], stdout=subprocess.PIPE, text=True)
    try:
        assign(members, user, slug)
        for line in process.stdout:
            if line.startswith(f"{user},"):
                break
        eventually(lambda: consumer(audit, "live").token != "" and consumer(audit, "live").open_streams == 1)
    finally:
        process.terminate()
        process.wait(30)
        process.stdout.close()


def test_retention_drops_whole_months_and_tokens_from_before_are_told(run_once):
    with tempfile.TemporaryDirectory(prefix="segmentd-retention-", ignore_cleanup_errors=True) as name:
        os.chmod(name, 0o755)
        folder = pathlib.Path(name)
        server = start_segmentd(folder)
        segctl = lambda *arguments, code=0: run_once(*arguments, address=server.address, code=code)
        segctl("segment", "create", "OLD")
        for user in (1, 2, 3):
            segctl("user", "update", user, "--assign", "OLD", "--create-user")
        with grpc.insecure_channel(server.address) as channel:
            audit = audit_rpc.AuditServiceStub(channel)
            events = stream(audit, max_batch_records=1)
            tokens = [event.batch.resume_token for event in events if event.HasField("batch")]
            earliest = events[-1].end.earliest_token
            assert users(stream(audit, start_token=earliest)) == [1, 2, 3]
        # Two of the records become a quarter of a year older.
        database = Database(folder)
        month = database.query("SELECT to_char(now() AT TIME ZONE 'UTC' - interval '3 months', 'YYYY_MM')")
        start = f"{month.replace('_', '-')}-01 00:00:00+00"
        database.query(
            f"CREATE TABLE segmentd.audit_{month} PARTITION OF segmentd.audit FOR VALUES FROM ('{start}') "
            f"TO (timestamptz '{start}' + interval '1 month')")
        database.query(
            f"UPDATE segmentd.audit SET recorded_at = '{start}', effective_at = '{start}' WHERE user_id < 3")
        database.query(f"UPDATE segmentd.memberships SET assigned_at = '{start}' WHERE user_id < 3")
        assert server.stop() == 0
        server = start_segmentd(folder, "--audit-retention", "32d")
        with grpc.insecure_channel(server.address) as channel:
            audit = audit_rpc.AuditServiceStub(channel)

            def is_dropped():
                try:
                    return users(stream(audit)) == [3]
                except grpc.RpcError as error:
                    # It was dropped between the stream's beginning and its first record.
                    assert error.code() == grpc.StatusCode.OUT_OF_RANGE
                    return False

            eventually(is_dropped)
            earliest = stream(audit)[-1].end.earliest_token
            assert earliest == tokens[1] and users(stream(audit, start_token=earliest)) == [3]
            error = refusal(lambda: stream(audit, start_token=tokens[0]))
            assert error.code() == grpc.StatusCode.OUT_OF_RANGE and "older than what is kept" in error.details()
            error = refusal(lambda: list(follow(audit, start_token=tokens[0])))
            assert error.code() == grpc.StatusCode.OUT_OF_RANGE
        done = subprocess.run(
            [binary("segmentd"), "audit", "check", "--data-dir", str(folder)], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
        assert server.stop() == 0
