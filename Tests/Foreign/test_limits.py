"""The limits of docs/limits.md as settings of segmentd: each in the metrics when it has been reached, before and after.

Every case has a server of its own, with one limit so low that it is reached; they share a database.
"""

import contextlib
import gzip
import os
import re
import socket
import struct
import urllib.request

import grpc
import pytest
from certificates import Authority
from conftest import ROOT, Database, start_segmentd
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2
from raw_http2 import (
    CANCEL, CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, INITIAL_WINDOW, PING, PRIORITY, RST, SETTINGS, WINDOW,
    RawPeer as Hostile, call, frame, headers, message, setting, uint32,
)
from test_hostile import flood
from test_runtime import PATIENCE, eventually

CHECK, WATCH = "/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"
REFLECT = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
IMPORT = "/segmentation.v1.MembershipService/ImportMemberships"


@pytest.fixture(scope="module")
def server(data_dir):
    folder = data_dir / "limits"
    folder.mkdir()
    os.chmod(folder, 0o755)
    process = start_segmentd(
        folder, "--max-connections", "5", "--max-pings", "1", "--handshake-timeout", "1s", "--frame-timeout", "1s",
        "--idle-timeout", "2s", "--loops", "1",
    )
    process.folder = folder
    yield process
    assert process.stop() == 0, process.error_text()


@contextlib.contextmanager
def limited(server, flags):
    """Another server on the same database, with these flags."""
    database = Database(server.folder).command
    where = f"host={database[database.index('-h') + 1]} port={database[database.index('-p') + 1]} user=segmentd dbname=segmentd"
    process = start_segmentd(server.folder, "--loops", "1", "--database", where, *flags.split())
    try:
        yield process
    finally:
        assert process.stop() == 0, process.error_text()


def metrics(server):
    """The value of each series, by its name and labels."""
    address = re.search(r"http://[^/ ]+", "".join(server.lines))[0]
    with urllib.request.urlopen(address + "/metrics", timeout=PATIENCE) as answer:
        text = answer.read().decode()
    return {name: float(value) for name, value in re.findall(r"^([^#\s].*) (\S+)$", text, re.M)}


def metric(server, name):
    return metrics(server)[name]


def healthy(server):
    with grpc.insecure_channel(server.address, [("grpc.use_local_subchannel_pool", 1)]) as channel:
        answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=PATIENCE)
        return answer.status == health_pb2.HealthCheckResponse.SERVING


def test_each_limit_is_a_setting_and_is_counted(server):
    pings = Hostile(server.address)
    flood(pings, frame(PING, bytes(8)) * 20)
    pings.ended()
    assert metric(server, 'segmentd_grpc_floods_total{kind="ping"}') == 1

    silent, half = Hostile(server.address, preface=False), Hostile(server.address)
    half.send(frame(SETTINGS, struct.pack("!HI", 4, 1))[:12])
    silent.ended()
    half.ended()
    assert metric(server, 'segmentd_grpc_connections_ended_total{reason="handshake"}') == 1
    assert metric(server, 'segmentd_grpc_connections_ended_total{reason="frame"}') == 1
    assert healthy(server)

    # Nobody is left to take the place of one of these.
    eventually(lambda: metric(server, "segmentd_grpc_connections_open") == 0)
    many = [Hostile(server.address) for _ in range(8)]
    eventually(lambda: metric(server, "segmentd_grpc_connections_refused_total") >= 3)
    # The log tells which client each limit has cut off, but not for every one of them.
    cut_off = [line for line in server.error_text().splitlines() if "cut a client off" in line]
    for limit in ("max-pings", "handshake-timeout", "frame-timeout", "max-connections"):
        lines = [line for line in cut_off if f"{limit}" in line]
        assert len(lines) == 1 and "127.0.0.1:" in lines[0], cut_off
    # They have no calls, so they are told to go, and there is room again.
    eventually(lambda: metric(server, 'segmentd_grpc_connections_ended_total{reason="idle"}') >= 5)
    for hostile in many:
        hostile.close()
    eventually(lambda: metric(server, "segmentd_grpc_connections_open") <= 1)
    assert healthy(server)


# What a hostile client does, with its connection


def sends(*parts):
    return lambda hostile: hostile.send(b"".join(parts))


def floods(data):
    return lambda hostile: flood(hostile, data)


def file_request(name):
    return reflection_pb2.ServerReflectionRequest(file_by_filename=name).SerializeToString()


FILE = file_request("segmentation/v1/membership_service.proto")


def asks_for_files(hostile):
    """The answers are large, and their client opens no window."""
    hostile.send(b"".join(call(2 * n + 1, REFLECT, FILE) for n in range(20)))


def cuts_headers_up(hostile):
    block = headers(1, CHECK)[9:]
    hostile.send(frame(HEADERS, block, 0, 1) + b"".join(frame(CONTINUATION, b"", 0, 1) for _ in range(11)))


def parts_of_messages(hostile):
    part = struct.pack("!BI", 0, 4 << 20) + bytes(100_000)
    for stream in range(1, 41, 2):
        hostile.send(headers(stream, IMPORT))
        for start in range(0, len(part), 16000):
            hostile.send(frame(DATA, part[start : start + 16000], 0, stream))


def inflates(hostile):
    bomb = gzip.compress(bytes(1 << 20), 9)
    hostile.send(headers(1, CHECK, extra=[("grpc-encoding", "gzip")]))
    hostile.send(frame(DATA, b"\1" + uint32(len(bomb)) + bomb, END_STREAM, 1))


def watches(count):
    return sends(*(call(2 * n + 1, WATCH, b"") for n in range(count)))


def ended(reason):
    return f'segmentd_grpc_connections_ended_total{{reason="{reason}"}}'


def flooded(kind):
    return f'segmentd_grpc_floods_total{{kind="{kind}"}}'


def broken(code):
    return f'segmentd_grpc_protocol_errors_total{{code="{code}"}}'


ZERO_WINDOW = setting(INITIAL_WINDOW, 0)
REQUEST = headers(1, CHECK)
RESET = frame(RST, uint32(CANCEL), 0, 1)
GET = frame(HEADERS, b"\x82\x86\x84\x41\x01x", END_HEADERS | END_STREAM, 1)
# `:path` twice.
MALFORMED = frame(HEADERS, b"\x83\x86\x84\x84\x41\x01x", END_HEADERS | END_STREAM, 1)

# The metric, the flags, what the client does, and how its connection is made.
CASES = [
    (flooded("ping"), "--max-pings 1", floods(frame(PING, bytes(8)) * 20), {}),
    (flooded("settings"), "--max-settings 1", floods(frame(SETTINGS) * 20), {}),
    (flooded("reset"), "--max-resets 1", lambda h: h.send(REQUEST) and flood(h, RESET * 20), {}),
    (flooded("reset"), "--max-resets 1 --max-concurrent-streams 1", watches(20), {}),
    (flooded("empty_frame"), "--max-empty-frames 1", floods(frame(PRIORITY, uint32(0) + b"\1", 0, 1) * 20), {}),
    (flooded("continuation"), "--max-continuations 10", cuts_headers_up, {}),
    (ended("handshake"), "--handshake-timeout 1s", sends(), {"preface": False}),
    (ended("frame"), "--frame-timeout 1s", sends(frame(PING, bytes(8))[:10]), {}),
    (ended("stalled"), "--stall-timeout 300ms", asks_for_files, {"settings": ZERO_WINDOW}),
    (ended("crowded"), "--crowded-timeout 300ms --max-queued-output 64KiB", asks_for_files, {"settings": ZERO_WINDOW}),
    (ended("keepalive"), "--keepalive-interval 500ms --keepalive-timeout 500ms", watches(1), {}),
    (ended("idle"), "--idle-timeout 300ms", sends(), {}),
    (ended("age"), "--connection-age 300ms", watches(1), {}),
    (ended("age_grace"), "--connection-age 300ms --connection-age-grace 300ms", watches(1), {}),
    ("segmentd_grpc_streams_refused_total", "--max-concurrent-streams 10", watches(11), {}),
    ("segmentd_grpc_calls_refused_total", "--max-running-calls 10", watches(11), {}),
    ("segmentd_grpc_messages_refused_total", "--max-message-size 1KiB", sends(call(1, CHECK, bytes(1025))), {}),
    ("segmentd_grpc_messages_refused_total", "--max-message-size 64KiB", inflates, {}),
    ("segmentd_grpc_metadata_refused_total", "--max-metadata-size 1KiB", sends(headers(1, CHECK, [("x", "x" * 1024)])), {}),
    ("segmentd_grpc_input_refused_total", "--max-queued-input 1MiB", parts_of_messages, {}),
    (broken("BAD_PREFACE"), "", sends(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"), {"preface": False}),
    (broken("PROTOCOL_ERROR"), "", sends(frame(PING, bytes(8), 0, 1)), {}),
    (broken("PROTOCOL_ERROR"), "", sends(call(5, CHECK), headers(3, CHECK)), {}),
    (broken("FLOW_CONTROL_ERROR"), "", sends(frame(WINDOW, uint32(2**31 - 1)) * 2), {}),
    (broken("STREAM_CLOSED"), "", sends(call(1, CHECK), frame(DATA, b"x", 0, 1)), {}),
    (broken("FRAME_SIZE_ERROR"), "", sends(frame(PING, bytes(6))), {}),
    (broken("COMPRESSION_ERROR"), "", sends(frame(HEADERS, b"\x80", END_HEADERS, 1)), {}),
    # More settings in one frame than there are.
    (broken("OTHER"), "", sends(frame(SETTINGS, setting(99, 1) * 40)), {}),
    ("segmentd_grpc_streams_reset_total", "", sends(MALFORMED), {}),
    ('segmentd_grpc_requests_refused_total{reason="method"}', "", sends(GET), {}),
    ('segmentd_grpc_requests_refused_total{reason="content_type"}', "", sends(GET.replace(b"\x82", b"\x83", 1)), {}),
]


@pytest.mark.parametrize("name, flags, act, connection", CASES, ids=[f"{name} {flags}" for name, flags, *_ in CASES])
def test_what_a_limit_refuses_is_counted(server, name, flags, act, connection):
    with limited(server, flags) as subject:
        before = metrics(subject)
        hostile = Hostile(subject.address, **connection)
        act(hostile)
        eventually(lambda: metric(subject, name) > before[name])
        counted = {key for key, value in metrics(subject).items() if "_total" in key and value > before.get(key, 0)}
        hostile.close()
        # Nothing else is blamed.
        blamed = {key for key in counted if re.match(r"segmentd_.*(ended|floods|errors|refused|reset)_total", key)}
        beside = {"segmentd_grpc_streams_refused_total"} if "resets" in flags else {ended("age")} if "grace" in flags else set()
        assert blamed - beside == {name}
        # Others are served.
        eventually(lambda: metric(subject, "segmentd_grpc_connections_open") == 0)
        if not re.search("connection-age|idle", flags):
            assert healthy(subject)


def test_connections_over_the_limit_are_counted(server):
    with limited(server, "--max-connections 3") as subject:
        assert metric(subject, "segmentd_grpc_connections_refused_total") == 0
        many = [Hostile(subject.address) for _ in range(5)]
        eventually(lambda: metric(subject, "segmentd_grpc_connections_refused_total") == 2)
        for hostile in many:
            hostile.close()


def test_tls_handshakes_that_do_not_end_are_counted(server, tmp_path):
    certificate, key = Authority(tmp_path).issue("limits")
    flags = f"--tls-certificate {certificate} --tls-key {key} --tls-handshake-timeout 300ms"
    with limited(server, flags) as subject:
        assert metric(subject, "segmentd_tls_handshakes_failed_total") == 0
        host, port = subject.address.rsplit(":", 1)
        with socket.create_connection((host, int(port)), PATIENCE):
            eventually(lambda: metric(subject, "segmentd_tls_handshakes_failed_total") == 1)


def test_what_a_client_does_not_read_is_bounded(server):
    """Large answers fill its socket, and then it makes the server refuse streams: each refusal would wait for it."""
    with limited(server, "--max-unread-frames 100 --max-concurrent-streams 1000 --max-queued-output 1GiB") as subject:
        window = setting(INITIAL_WINDOW, 2**31 - 1)
        hostile = Hostile(subject.address, settings=window, reads=False, buffer=4096)
        hostile.send(frame(WINDOW, uint32(2**31 - 1 - 65535)))
        # The answers are far more than the kernel keeps for a socket, and their calls go on.
        services = ["segment", "audit", "membership", "user"]
        asked = b"".join(message(file_request(f"segmentation/v1/{name}_service.proto")) for name in services)
        for stream in range(1, 2001, 2):
            hostile.send(headers(stream, REFLECT) + frame(DATA, asked, 0, stream))
        answers = 'grpc_server_msg_sent_total{grpc_type="bidi_stream",grpc_service="grpc.reflection.v1.ServerReflection",'
        eventually(lambda: metric(subject, answers + 'grpc_method="ServerReflectionInfo"}') == 4000)
        for first in range(2001, 16_001, 2000):
            hostile.send(b"".join(headers(stream, CHECK) for stream in range(first, first + 2000, 2)))
        eventually(lambda: metric(subject, flooded("unread")) == 1)
        hostile.close()
        assert healthy(subject)


def test_every_metric_of_the_document_is_there(server):
    document = (ROOT / "docs" / "limits.md").read_text()
    named = set(re.findall(r"`(segmentd_(?!tls)\w+(?:\{[^}]+\})?)`", document))
    assert len(named) > 20 and named <= set(metrics(server))
    assert {name for name, *_ in CASES} <= named
