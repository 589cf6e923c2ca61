"""The admin port as operators and Prometheus use it, and as those do who mean it no good."""

import http.client
import json
import pathlib
import re
import socket
import subprocess
import time

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from prometheus_client.parser import text_string_to_metric_families

from conftest import Database, eventually, start_segmentd
from segmentation.v1 import membership_service_pb2 as messages
from segmentation.v1 import membership_service_pb2_grpc as rpc


def admin_address(server):
    line = next(line for line in server.lines if "/readyz" in line)
    host, port = re.search(r"http://([\d.]+):(\d+)/readyz", line).groups()
    return host, int(port)


@pytest.fixture(scope="module")
def admin(server):
    return admin_address(server)


def ask(admin, method, path, body=None, headers={}):
    connection = http.client.HTTPConnection(*admin, timeout=60)
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read().decode()
    finally:
        connection.close()


def scrape(admin):
    status, headers, text = ask(admin, "GET", "/metrics")
    assert status == 200 and headers["Content-Type"].startswith("text/plain; version=0.0.4")
    return {family.name: family for family in text_string_to_metric_families(text)}


def value(families, sample, **labels):
    """The sum of a sample's values whose labels include these."""
    found = [
        s.value for family in families.values() for s in family.samples
        if s.name == sample and labels.items() <= s.labels.items()
    ]
    return sum(found) if found else None


def test_prometheus_reads_every_metric(admin, channel):
    before = scrape(admin)
    stub = rpc.MembershipServiceStub(channel)
    for user in range(1, 11):
        stub.GetUserSegments(messages.GetUserSegmentsRequest(user_id=user), timeout=60)
    with pytest.raises(grpc.RpcError):
        stub.GetUserSegments(messages.GetUserSegmentsRequest(user_id=-1), timeout=60)
    with pytest.raises(grpc.RpcError):
        channel.unary_unary("/no.such.Service/Call")(b"", timeout=60)
    after = scrape(admin)
    method = {"grpc_service": "segmentation.v1.MembershipService", "grpc_method": "GetUserSegments"}

    def grown(sample, **labels):
        return value(after, sample, **labels) - (value(before, sample, **labels) or 0)

    assert grown("grpc_server_handled_total", **method, grpc_code="OK", grpc_type="unary") == 10
    assert grown("grpc_server_handled_total", **method, grpc_code="InvalidArgument") == 1
    assert grown("grpc_server_started_total", **method) == 11
    assert grown("grpc_server_msg_received_total", **method) == 11
    assert grown("grpc_server_msg_sent_total", **method) == 10
    assert grown("grpc_server_handling_seconds_count", **method, grpc_code="OK") == 10
    assert grown("grpc_server_handling_seconds_bucket", **method, grpc_code="OK", le="+Inf") == 10
    assert 0 < grown("grpc_server_handling_seconds_sum", **method, grpc_code="OK") < 10
    assert grown("grpc_server_handled_total", grpc_service="unknown", grpc_code="Unimplemented") == 1
    assert "no.such.Service" not in str(after)
    assert value(after, "segmentd_grpc_connections_open") >= 1
    assert value(after, "segmentd_grpc_connections_accepted_total") >= 1
    # Those of tests before this one may end a moment later.
    eventually(lambda: value(scrape(admin), "segmentd_grpc_calls_running") == 0)
    for name in (
        "segmentd_database_connections", "segmentd_database_waiting", "segmentd_database_wait_seconds_count",
        "segmentd_database_retries_total", "segmentd_loop_lag_seconds_count", "segmentd_loop_cpu_seconds_total",
        "segmentd_sweeper_swept_total", "segmentd_sweeper_lag_seconds", "segmentd_import_rows_total",
        "segmentd_audit_followers", "segmentd_audit_tail_lag_seconds", "segmentd_rollout_rows_total", "process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds",
    ):
        assert value(after, name) is not None, name
    assert value(after, "segmentd_build_info") == 1
    assert abs(value(after, "process_start_time_seconds") - time.time()) < 3600
    eventually(lambda: value(scrape(admin), "segmentd_sweeper_last_success_timestamp_seconds") > time.time() - 3600)
    assert all(family.documentation for family in after.values())


def test_the_alerts_of_the_documentation_look_at_what_is_there(admin):
    page = pathlib.Path(__file__).parents[2] / "docs/operations.md"
    named = set(re.findall(r"\b(?:segmentd_|grpc_server_)[a-z_]+", page.read_text()))
    # Those of TLS are there with TLS.
    missing = {name for name in named if "_tls_" not in name and value(scrape(admin), name) is None}
    assert not missing and len(named) > 15


def test_a_histogram_is_whole(admin, channel):
    rpc.MembershipServiceStub(channel).GetUserSegments(messages.GetUserSegmentsRequest(user_id=1), timeout=60)
    family = scrape(admin)["grpc_server_handling_seconds"]
    series = {}
    for sample in family.samples:
        key = tuple(sorted((k, v) for k, v in sample.labels.items() if k != "le"))
        series.setdefault(key, {"buckets": []})
        if sample.name.endswith("_bucket"):
            series[key]["buckets"].append((float(sample.labels["le"]), sample.value))
        else:
            series[key][sample.name.rsplit("_", 1)[1]] = sample.value
    assert series
    for one in series.values():
        counts = [count for _, count in sorted(one["buckets"])]
        assert counts == sorted(counts) and counts[-1] == one["count"]
        assert sorted(one["buckets"])[-1][0] == float("inf")


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/loglevel"])
def test_head_has_the_headers_and_no_body(admin, path):
    status, headers, text = ask(admin, "HEAD", path)
    assert status == 200 and text == "" and int(headers["Content-Length"]) > 0


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404), ("GET", "/healthz/", 404), ("GET", "//metrics", 404), ("GET", "/metrics?x=1", 200),
        ("POST", "/metrics", 405), ("DELETE", "/healthz", 405), ("PUT", "/readyz", 405), ("OPTIONS", "/loglevel", 405),
        ("PATCH", "/metrics", 405), ("TRACE", "/metrics", 405), ("GET", "/%00", 404), ("GET", "/\u00ff", 404),
    ],
)
def test_what_is_not_offered_is_refused(admin, method, path, status):
    answer = raw(admin, f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode("latin-1"))
    assert int(answer.split(b" ")[1]) == status, answer
    if status == 405:
        assert b"\r\nAllow: " in answer


def raw(admin, sent):
    with socket.create_connection(admin, timeout=60) as peer:
        peer.sendall(sent)
        received = b""
        while part := peer.recv(65536):
            received += part
        return received


@pytest.mark.parametrize(
    "sent",
    [
        b"\r\n\r\n", b"\x00" * 1000 + b"\r\n\r\n", b"GET\r\n\r\n", b"GET /metrics HTTP/9.9\r\n\r\n", b"FOO / HTTP/1.1\r\n\r\n",
        b"GET " + b"/" * 40000 + b" HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\n" + b"X: " + b"y" * 40000 + b"\r\n\r\n",
        b"CONNECT x:1 HTTP/1.1\r\n\r\n", b"GET http://[::1/ HTTP/1.1\r\n\r\n", b"GET * HTTP/1.1\r\n\r\n",
        b"PUT /loglevel HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"PUT /loglevel HTTP/1.1\r\nContent-Length: 99999999999999\r\n\r\n",
        b"PUT /loglevel HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffff\r\n",
        b"PUT /loglevel HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n\r\n",
        b"PUT /loglevel HTTP/1.1\r\nContent-Length: 10000\r\n\r\n" + b"x" * 10000,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00",
    ],
    ids=lambda sent: repr(sent[:24]),
)
def test_garbage_gets_no_more_than_a_refusal(admin, sent):
    answer = b""
    with socket.create_connection(admin, timeout=60) as peer:
        try:
            peer.sendall(sent)
            peer.shutdown(socket.SHUT_WR)
            answer = peer.recv(65536)
        except OSError as error:
            # What it had not read when it closed makes the system send a reset.
            assert not isinstance(error, TimeoutError)
    assert answer == b"" or int(answer.split(b" ")[1]) >= 400
    assert ask(admin, "GET", "/healthz")[0] == 200


def test_who_hangs_up_before_the_answer_is_not_missed(admin):
    for _ in range(50):
        peer = socket.create_connection(admin, timeout=60)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        peer.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 3)
        peer.close()
    assert ask(admin, "GET", "/healthz")[0] == 200


def test_slow_and_many_connections_do_not_keep_others_out(admin):
    peers = [socket.create_connection(admin, timeout=60) for _ in range(200)]
    try:
        # It would be cut off after 10 s.
        begin = time.monotonic()
        # Of the first ones, so that the many do not count among the cut off: a byte now and then.
        drip = peers[0]
        drip.sendall(b"GET /healthz HTTP/1.1\r\n")
        while True:
            assert time.monotonic() - begin < 60, "a connection that drips is not cut off"
            try:
                drip.sendall(b"X")
                drip.settimeout(0.2)
                if drip.recv(1) == b"":
                    break
            except TimeoutError:
                continue
            except OSError:
                break
    finally:
        for peer in peers:
            peer.close()
    assert ask(admin, "GET", "/metrics")[0] == 200


def test_the_log_level_changes_while_running(data_dir):
    folder = data_dir / "level"
    folder.mkdir()
    folder.chmod(0o755)
    server = start_segmentd(folder, "--log-format", "json", "--slow-call-threshold", "1ms", wrapper=False)
    try:
        admin, database = admin_address(server), Database(folder)
        assert ask(admin, "GET", "/loglevel")[2] == "info\n"
        with grpc.insecure_channel(server.address) as channel:
            stub = rpc.MembershipServiceStub(channel)
            request = messages.GetUserSegmentsRequest(user_id=1)
            waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%user_id = $1%'"
            with database.session("BEGIN; LOCK TABLE segmentd.memberships IN ACCESS EXCLUSIVE MODE"):
                slow = stub.GetUserSegments.future(request, timeout=60, metadata=[("x-request-id", "quiet")])
                eventually(lambda: database.query(waiting) != "0")
                time.sleep(0.01)
            slow.result()
            assert ask(admin, "PUT", "/loglevel", "debug")[::2] == (200, "debug\n")
            stub.GetUserSegments(request, timeout=60, metadata=[("x-request-id", "loud")])
            assert ask(admin, "POST", "/loglevel", "level=ERROR")[::2] == (200, "error\n")
            stub.GetUserSegments(request, timeout=60, metadata=[("x-request-id", "silent")])
        for wrong in ("", "chatty", "level=", "\0", "debug" * 1000):
            status = ask(admin, "PUT", "/loglevel", wrong)[0]
            assert status in (400, 413)
        assert ask(admin, "GET", "/loglevel")[2] == "error\n"
    finally:
        assert server.stop() == 0
    lines = [json.loads(line) for line in server.error_text().splitlines() if line.startswith("{")]
    calls = {line["metadata"]["request_id"]: line for line in lines if "request_id" in line.get("metadata", {})}
    assert calls["loud"]["message"] in ("call ended", "slow call") and calls["loud"]["metadata"]["status"] == "OK"
    assert calls["loud"]["metadata"]["path"] == "/segmentation.v1.MembershipService/GetUserSegments"
    assert "silent" not in calls
    assert calls["quiet"]["message"] == "slow call" and calls["quiet"]["level"] == "warning"


def test_readiness_names_what_is_missing_and_health_stays_as_it_is(data_dir):
    folder = data_dir / "ready"
    folder.mkdir()
    folder.chmod(0o755)
    server = start_segmentd(folder, wrapper=False)
    database = Database(folder)
    admin = admin_address(server)

    def wait_for(status, words):
        def is_told():
            found, _, text = ask(admin, "GET", "/readyz")
            return found == status and words in text and value(scrape(admin), "segmentd_ready") == (status == 200)

        # A look may take longer than it is given, on a busy machine: then the next one counts.
        eventually(is_told, f"it never says {status} {words}")
        with grpc.insecure_channel(server.address) as channel:
            health = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=60)
        assert health.status == health_pb2.HealthCheckResponse.SERVING

    def wait_until_looked_at(table):
        """Until the server has read it again; PostgreSQL may tell a second or two late of earlier looks."""
        scans = f"SELECT seq_scan + coalesce(idx_scan, 0) FROM pg_stat_user_tables WHERE relid = '{table}'::regclass"
        before, deadline = int(database.query(scans)), time.monotonic() + 60
        while int(database.query(scans)) < before + 3:
            assert time.monotonic() < deadline, "the server does not look"
            time.sleep(0.05)

    def outside(sql):
        done = subprocess.run([*database.command[:-1], "postgres", "-c", sql], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr

    try:
        wait_for(200, "ready")
        before, newest = database.query("SELECT number FROM segmentd.migrations ORDER BY number").split()[-2:]
        database.query("CREATE TABLE kept AS SELECT * FROM segmentd.migrations WHERE number = " + newest)
        database.query("DELETE FROM segmentd.migrations WHERE number = " + newest)
        wait_for(503, f"is at migration {before} and needs {newest}")
        database.query("INSERT INTO segmentd.migrations SELECT * FROM kept")
        wait_for(200, "ready")
        # A newer version has migrated already: this one goes on.
        database.query("INSERT INTO segmentd.migrations VALUES (999, 'newer', 'x')")
        wait_until_looked_at("segmentd.migrations")
        wait_for(200, "ready")
        outside("ALTER DATABASE segmentd ALLOW_CONNECTIONS false")
        outside("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'segmentd'")
        wait_for(503, "database is not available")
        outside("ALTER DATABASE segmentd ALLOW_CONNECTIONS true")
        wait_for(200, "ready")
    finally:
        server.stop()
